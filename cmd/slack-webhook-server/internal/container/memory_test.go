package container_test

import (
	"testing"
	"testing/fstest"

	"slackmcp/cmd/slack-webhook-server/internal/container"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is told":          {nil, 0},
		"version 2, a container":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 134217728},
		"version 2, no limit":      {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		"version 2, a service":     {map[string]string{"proc/self/cgroup": "0::/system.slice/a.service\n", "sys/fs/cgroup/system.slice/a.service/memory.max": "200\n"}, 200},
		"version 2, one above it":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "100\n"}, 100},
		"version 1, a container":   {map[string]string{"proc/self/cgroup": "4:memory:/docker/abc\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n"}, 134217728},
		"version 1, a group":       {map[string]string{"proc/self/cgroup": "9:name=systemd:/x\n4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "300\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 300},
		"version 1, no limit":      {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"what cannot be read":      {map[string]string{"proc/self/cgroup": "x\n4:memory\n0::../../..\n", "sys/fs/cgroup/memory.max": "-1"}, 0},
		"another controller's one": {map[string]string{"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "5"}, 0},
	} {
		root := fstest.MapFS{}
		for path, text := range tc.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, ok := container.Memory(root); ok != (tc.want > 0) || ok && got != tc.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, tc.want)
		}
	}
}
