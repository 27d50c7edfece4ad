//go:build linux

package deploy

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// TestImage assembles the image as the Dockerfile says, with this machine in the place of
// its build stage's base, and runs it as its user on a read-only root, without a
// container engine.
func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "assembling the image takes root, for mounts and another user")
	}
	for _, name := range []string{"unshare", "mount", "setpriv", "chroot"} {
		program(t, name, "apt-get install util-linux coreutils")
	}
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages: this test knows two", len(stages))
	}
	build := buildStage(t, stages[0])
	image := assemble(t, build, stages[1])
	files := list(t, image.root)
	want := map[string]string{
		"etc/group": "-rw-r--r-- 0:0", "etc/passwd": "-rw-r--r-- 0:0", "etc/ssl/certs/ca-certificates.crt": "-rw-r--r-- 0:0",
		"usr/local/bin/slack-webhook-server": "-rwxr-xr-x 0:0", "var/lib/slack-webhook-server": "drwx------ 65532:65532",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("what is in the image (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(image.root, "usr/local/bin/slack-webhook-server")); err != nil || info.Size() > 48<<20 {
		t.Errorf("the binary: %v, %v, want at most 48 MiB", info, err)
	}

	port := freePort(t)
	env := []string{"PORT=" + port, "HOST=127.0.0.1", "SLACK_SIGNING_SECRET=" + signingSecret}
	base := "http://127.0.0.1:" + port
	server := image.command(t, env, append(slices.Clone(image.entrypoint), image.cmd...)...)
	done := start(t, server, base)
	accepts(t, base, "EvIMAGE")
	if out, err := image.command(t, env, image.health...).CombinedOutput(); err != nil || string(out) != "ready\n" {
		t.Errorf("the health check: %v\n%s", err, out)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), line+"\n") {
			t.Errorf("the process is not as a container's would be: want %q in\n%s", line, status)
		}
	}
	if stores, _ := filepath.Glob(filepath.Join(image.volume, "*.db")); len(stores) == 0 {
		t.Error("no store is in the volume")
	}
	// A container that is started again finds its events, one that was killed says so.
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
	if out, err := image.command(t, env, image.health...).CombinedOutput(); err == nil {
		t.Errorf("the health check of a dead server says %s", out)
	}
	start(t, image.command(t, env, append(slices.Clone(image.entrypoint), image.cmd...)...), base)
	if status, text, err := get(t.Context(), base+"/health/detailed"); err != nil || status != 200 || !strings.Contains(text, `"events":1,`) {
		t.Errorf("after a restart: %d %s, %v", status, text, err)
	}
}

// A built is an assembled image.
type built struct {
	root, volume            string
	env                     []string
	entrypoint, cmd, health []string
	mountpoint              string
}

// command runs something in the image as an engine would: its user, no capability, a
// read-only root but for the volume, nothing of this machine's environment.
func (b built) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	// chroot itself needs one capability, which its user then does not have.
	script := `set -e
path=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin
setpriv=$(command -v setpriv) chroot=$(command -v chroot)
mount --bind "$1" "$1"
mount --bind "$2" "$1$3"
mount -o remount,ro,bind "$1"
root=$1; shift 3
PATH=$path
exec "$setpriv" --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid "$chroot" --userspec=65532:65532 --groups=65532 "$root" "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "/bin/sh", "-c", script, "sh", b.root, b.volume, b.mountpoint}, args...)...)
	cmd.Env = append(slices.Clone(b.env), env...)
	return cmd
}

// buildStage carries out the first stage on an overlay of this machine and returns where
// its file system is.
func buildStage(t *testing.T, s instructions.Stage) string {
	t.Helper()
	context := buildContext(t)
	work := t.TempDir()
	script := &strings.Builder{}
	line := func(format string, args ...any) { fmt.Fprintf(script, format+"\n", args...) }
	line("set -e")
	line("mount -t tmpfs tmpfs %s", work)
	line("mkdir %[1]s/upper %[1]s/work %[1]s/root", work)
	line("mount -t overlay overlay -o lowerdir=/,upperdir=%[1]s/upper,workdir=%[1]s/work %[1]s/root", work)
	line("mount --bind /proc %s/root/proc && mount --bind /dev %s/root/dev", work, work)
	dir := "/"
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.WorkdirCommand:
			dir = c.Path
			line("mkdir -p %s/root%s", work, dir)
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				line("cp -r %s %s/root%s/", filepath.Join(context, source)+map[bool]string{true: "/."}[source == "."], work, path.Join(dir, c.DestPath))
			}
		case *instructions.ArgCommand:
			for _, a := range c.Args {
				line("export %s=%s", a.Key, *a.Value)
			}
		case *instructions.RunCommand:
			// There are no variables in the flags; this has the mounts read.
			if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil {
				t.Fatal(err)
			}
			for _, m := range instructions.GetMounts(c) {
				line("mkdir -p %[1]s/root%[2]s && mount --bind %[3]s %[1]s/root%[2]s", work, m.Target, cacheOf(t, m.Target))
			}
			line("chroot %s/root /bin/sh -ec %s", work, quote("cd "+dir+"\n"+strings.Join(c.CmdLine, "\n")))
		default:
			t.Fatalf("the build stage has %T, which this test does not know", c)
		}
	}
	out := t.TempDir()
	line("cp -a %s/root/out %s/out && mkdir -p %s/etc/ssl/certs && cp %s/root/etc/ssl/certs/ca-certificates.crt %s/etc/ssl/certs/", work, out, out, work, out)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "bash", "-c", script.String())
	cmd.Env = append(os.Environ(), "GOPATH=/go", "GOMODCACHE=/go/pkg/mod", "GOCACHE=/root/.cache/go-build", "GOFLAGS=", "HOME=/root",
		"PATH="+filepath.Join(goEnv(t, "GOROOT"), "bin")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the build stage: %v\n%s", err, text)
	}
	return out
}

// cacheOf is this machine's cache that stands in for a cache mount.
func cacheOf(t *testing.T, target string) string {
	t.Helper()
	switch target {
	case "/go/pkg/mod":
		return goEnv(t, "GOMODCACHE")
	case "/root/.cache/go-build":
		return goEnv(t, "GOCACHE")
	}
	t.Fatalf("the build has a cache at %s, which this test does not know", target)
	return ""
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// assemble carries out the last stage.
func assemble(t *testing.T, build string, s instructions.Stage) built {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := built{root: dir, volume: filepath.Join(t.TempDir(), "volume")}
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Fatalf("COPY --from=%s", c.From)
			}
			for _, source := range c.SourcePaths {
				copyInto(t, filepath.Join(build, source), filepath.Join(dir, c.DestPath), strings.HasSuffix(c.DestPath, "/"), c.Chown, c.Chmod)
			}
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				b.env = append(b.env, pair.Key+"="+pair.Value)
			}
		case *instructions.VolumeCommand:
			b.mountpoint = c.Volumes[0]
			// A new volume has what the image has there, with its owner.
			if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(dir, b.mountpoint), b.volume).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		case *instructions.EntrypointCommand:
			b.entrypoint = c.CmdLine
		case *instructions.CmdCommand:
			b.cmd = c.CmdLine
		case *instructions.HealthCheckCommand:
			b.health = c.Health.Test[1:]
		case *instructions.UserCommand, *instructions.ExposeCommand, *instructions.StopSignalCommand:
		default:
			t.Fatalf("the image has %T, which this test does not know", c)
		}
	}
	return b
}

// copyInto is COPY: a folder's content, or a file into a folder or to a name.
func copyInto(t *testing.T, from, to string, isFolder bool, chown, chmod string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if isFolder {
		to = filepath.Join(to, filepath.Base(from))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := info.Mode().Perm()
	if chmod != "" {
		n, err := strconv.ParseUint(chmod, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		mode = fs.FileMode(n)
	}
	if info.IsDir() {
		err = os.Mkdir(to, mode)
	} else {
		var content []byte
		if content, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, content, mode)
		}
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	if uid, gid, ok := strings.Cut(chown, ":"); ok && err == nil {
		u, _ := strconv.Atoi(uid)
		g, _ := strconv.Atoi(gid)
		err = os.Chown(to, u, g)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// list tells mode and owner of all that is in the image, but of folders that only lead
// somewhere.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, p)
		found[relative] = fmt.Sprintf("%s %s", info.Mode(), owner(info))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range maps.Clone(found) {
		for parent := path.Dir(p); parent != "."; parent = path.Dir(parent) {
			delete(found, parent)
		}
	}
	return found
}
