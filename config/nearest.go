package config

import "strings"

// Nearest finds the word that a misspelt one most likely meant, if any is close: at
// most one edit for every four letters.
func Nearest(word string, among []string) (string, bool) {
	best, distance := "", len(word)/4+1
	for _, candidate := range among {
		if gap := len(word) - len(candidate); gap >= distance || -gap >= distance {
			continue // also what keeps a word of a megabyte cheap
		}
		if d := edits(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// edits is the least number of insertions, deletions, replacements and swaps of
// neighbours between two words.
func edits(a, b string) int {
	if strings.EqualFold(a, b) {
		return 0
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		current, last, before := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(last[j]+1, current[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
