// Says which files Flux leaves out. Each line of the input is a case in JSON: the patterns of the file `.sourceignore` of
// each folder, in the order in which Flux reads them, and the paths of files. Each line of the output is a list: whether
// each file is left out.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
)

type file struct {
	Folder string
	Text   string
}

type question struct {
	Files []file
	Paths []string
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked question
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			panic(err)
		}
		var patterns []gitignore.Pattern
		for _, file := range asked.Files {
			var domain []string
			if file.Folder != "" {
				domain = strings.Split(file.Folder, "/")
			}
			patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(file.Text), domain)...)
		}
		// As source-controller's SourceIgnoreFilter has it.
		matcher := sourceignore.NewDefaultMatcher(patterns, nil)
		if len(patterns) > 0 {
			matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), patterns...))
		}
		hidden := []bool{}
		for _, path := range asked.Paths {
			hidden = append(hidden, matcher.Match(strings.Split(path, "/"), false))
		}
		if err := output.Encode(hidden); err != nil {
			panic(err)
		}
	}
}
