// Reads YAML documents as kubectl and Flux do (sigs.k8s.io/yaml), and prints them as a JSON list. With the argument
// `each`, every text that a NUL ends is read alone: the list has its value, or null for one that is refused.
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
	if len(os.Args) > 1 && os.Args[1] == "each" {
		texts := bytes.Split(input, []byte{0})
		for _, text := range texts[:len(texts)-1] {
			var value any
			if err := yaml.UnmarshalStrict(text, &value); err != nil {
				value = nil
			}
			documents = append(documents, value)
		}
		write(documents)
		return
	}
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
	write(documents)
}

func write(documents []any) {
	if err := json.NewEncoder(os.Stdout).Encode(documents); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
