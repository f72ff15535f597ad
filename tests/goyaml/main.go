// Reads YAML documents as kubectl and Flux do (sigs.k8s.io/yaml), and prints them as a JSON list.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	input, err := io.ReadAll(bufio.NewReader(os.Stdin))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	documents := []any{}
	for _, part := range bytes.Split(append([]byte("\n"), input...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(part)) == 0 {
			continue
		}
		var value any
		if err := yaml.UnmarshalStrict(part, &value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if value != nil {
			documents = append(documents, value)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(documents); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
