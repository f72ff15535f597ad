// Says whether whoever reads a leaf of a spec takes its text. Reads records of a format, a tab and the text, each ended by a
// NUL, and prints a 1 or a 0 for each.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The pattern of intervals and timeouts in Flux's CustomResourceDefinitions.
var fluxDuration = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// isRepository follows parseRepository of Flux's source-controller.
func isRepository(text string) bool {
	rest, found := strings.CutPrefix(text, "oci://")
	if !found {
		return false
	}
	repository, err := name.NewRepository(rest)
	return err == nil && !strings.Contains(strings.TrimPrefix(rest, repository.RegistryStr()), ":")
}

// isPrefix says whether the address of a repository is one with a name behind it, as Helm puts the name of a chart there.
func isPrefix(text string) bool {
	return isRepository(strings.TrimSuffix(text, "/") + "/chart")
}

func isAddress(text string, schemes ...string) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return false
	}
	for _, scheme := range schemes {
		if parsed.Scheme == scheme {
			return true
		}
	}
	return false
}

var readers = map[string]func(string) bool{
	"dns-label":     func(t string) bool { return len(validation.IsDNS1123Label(t)) == 0 },
	"dns-subdomain": func(t string) bool { return len(validation.IsDNS1123Subdomain(t)) == 0 },
	"path-segment":  func(t string) bool { return t != "" && len(path.IsValidPathSegmentName(t)) == 0 },
	"principal":     func(t string) bool { return t != "" },
	"label-key":     func(t string) bool { return len(validation.IsQualifiedName(t)) == 0 },
	"label-value":   func(t string) bool { return len(validation.IsValidLabelValue(t)) == 0 },
	"cidr":          func(t string) bool { return len(validation.IsValidCIDR(field.NewPath("cidr"), t)) == 0 },
	"ip":            func(t string) bool { return len(validation.IsValidIP(field.NewPath("ip"), t)) == 0 },
	"host":          func(t string) bool { return len(validation.IsDNS1123Subdomain(t)) == 0 },
	"host-pattern": func(t string) bool {
		return len(validation.IsDNS1123Subdomain(t)) == 0 || len(validation.IsWildcardDNS1123Subdomain(t)) == 0
	},
	"duration-go": func(t string) bool {
		_, err := time.ParseDuration(t)
		return err == nil && fluxDuration.MatchString(t)
	},
	"quantity": func(t string) bool {
		_, err := resource.ParseQuantity(t)
		return err == nil
	},
	"version-range": func(t string) bool {
		_, err := semver.NewConstraint(t)
		return err == nil
	},
	"oci-url":    isRepository,
	"oci-prefix": isPrefix,
	"helm-url":   func(t string) bool { return isAddress(t, "http", "https") || isPrefix(t) },
	"git-url":    func(t string) bool { return isAddress(t, "http", "https", "ssh") },
	"oci-tag": func(t string) bool {
		_, err := name.NewTag("registry.example/apps:" + t)
		return t != "" && err == nil
	},
	"oci-digest": func(t string) bool {
		_, err := name.NewDigest("registry.example/apps@" + t)
		return err == nil
	},
}

func main() {
	input, err := io.ReadAll(bufio.NewReader(os.Stdin))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	records := bytes.Split(input, []byte{0})
	for _, record := range records[:len(records)-1] {
		format, text, _ := strings.Cut(string(record), "\t")
		takes, found := readers[format]
		if !found {
			fmt.Fprintf(os.Stderr, "no reader of %s\n", format)
			os.Exit(1)
		}
		if takes(text) {
			out.WriteByte('1')
		} else {
			out.WriteByte('0')
		}
	}
}
