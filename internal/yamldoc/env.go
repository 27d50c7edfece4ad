package yamldoc

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// An Env is where what a file only names comes from: variables and secrets.
type Env struct {
	// Lookup finds a variable of the environment; nil finds none.
	Lookup func(name string) (string, bool)
	// ReadFile reads the file of a secret; nil means os.ReadFile.
	ReadFile func(name string) ([]byte, error)
	// Learn is told of each value that was found, all of which may be secrets, before
	// anybody uses it; nil tells nobody.
	Learn func(values ...string)
}

// Secrets reads the secrets that a file names, by variables or by files, but not by both:
// several while one replaces another. Errors are remedies and hold no secret.
func (e Env) Secrets(variables, files []string) ([]string, error) {
	if len(variables) > 0 && len(files) > 0 {
		return nil, errors.New("write secret_env or secret_file, not both")
	}
	if len(variables)+len(files) == 0 {
		return nil, errors.New("name the variable that holds it in secret_env, or the file in secret_file")
	}
	var list []string
	for _, name := range variables {
		v := e.Variable(name)
		if strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("%s is not set: set it in the environment or the .env file, or %s_FILE to a file that holds it", name, name)
		}
		list = append(list, v)
	}
	read := e.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	for _, name := range files {
		b, err := read(name)
		v := strings.TrimRight(string(b), "\r\n")
		if err != nil || strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("%s cannot be read or is empty: correct secret_file or the file's permissions", name)
		}
		e.learn(v)
		list = append(list, v)
	}
	return list, nil
}

// Variable returns a variable of the environment, or "".
func (e Env) Variable(name string) string {
	if e.Lookup == nil {
		return ""
	}
	v, ok := e.Lookup(name)
	if ok {
		e.learn(v)
	}
	return v
}

func (e Env) learn(value string) {
	if e.Learn != nil {
		e.Learn(value)
	}
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// VariableName is a Check of what has to name a variable.
func VariableName(s string) error {
	if !variableForm.MatchString(s) {
		return errors.New("write the name of a variable, such as HOOK_SECRET, never the secret itself")
	}
	return nil
}

// SecretFields are the fields by which an object names its secrets.
func SecretFields[T any](env, file func(*T) *[]string) []Field[T] {
	return []Field[T]{
		Texts("secret_env", "Variable that holds the secret; two while one replaces the other", env, VariableName),
		Texts("secret_file", "File that holds the secret; two while one replaces the other", file, nil),
	}
}
