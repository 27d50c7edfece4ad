package names

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// A Found is a page of a search through a list of Slack's.
type Found[T any] struct {
	Items []T
	// Next continues the search as its after; empty at the end.
	Next string
	// Complete reports that the whole list was searched. If not, a later call may find
	// more, before and behind what was found now.
	Complete bool
}

// SearchChannels finds the channels whose name, topic or purpose holds every word of
// the query, in the order of their names. It reads the list of channels as far as ctx
// allows, and goes on from there with the next call.
func (r *Resolver) SearchChannels(ctx context.Context, query, after string, limit int) (Found[Channel], error) {
	return search(ctx, r, r.listing, r.channels, query, after, limit, func(c Channel) (key, text string, ok bool) {
		return strings.ToLower(c.Name) + " " + c.ID, c.Name + "\n" + c.Topic + "\n" + c.Purpose, c.Name != "" && !c.Archived
	})
}

// SearchUsers does for users, by handle, names and title, what [Resolver.SearchChannels]
// does for channels.
func (r *Resolver) SearchUsers(ctx context.Context, query, after string, limit int) (Found[User], error) {
	return search(ctx, r, r.roster, r.users, query, after, limit, func(u User) (key, text string, ok bool) {
		return strings.ToLower(u.Handle) + " " + u.ID, u.Handle + "\n" + u.Display + "\n" + u.Real + "\n" + u.Title, !u.Deleted
	})
}

func search[T any](ctx context.Context, r *Resolver, list *walk, kept *book[T], query, after string, limit int, look func(T) (key, text string, ok bool)) (Found[T], error) {
	_, err := list.until(ctx, r.now, func() bool { return false })
	found := Found[T]{Items: []T{}, Complete: err == nil}
	words := strings.Fields(strings.ToLower(query))
	keys := map[string]T{}
	kept.each(func(_ string, v T) bool {
		key, text, ok := look(v)
		if ok && key > after && holdsAll(strings.ToLower(text), words) {
			keys[key] = v
		}
		return true
	})
	sorted := make([]string, 0, len(keys))
	for key := range keys {
		sorted = append(sorted, key)
	}
	slices.SortFunc(sorted, cmp.Compare)
	if len(sorted) > limit {
		sorted = sorted[:limit]
		found.Next = sorted[limit-1]
	}
	for _, key := range sorted {
		found.Items = append(found.Items, keys[key])
	}
	if err != nil && len(found.Items) == 0 {
		return found, unfinished(err)
	}
	return found, nil
}

func holdsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
