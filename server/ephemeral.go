package server

import "slackmcp/config"

// ephemeral says in words why what is in a directory will not outlive the process, or "".
// In a container a directory that is no volume goes with it; elsewhere nobody knows of a
// reason.
func ephemeral(p config.Platform, dir string) string {
	switch {
	case p.Vanishes():
		return "on " + string(p) + " every file goes with the instance"
	case p == config.Kubernetes && inContainer(dir):
		return "DATA_DIR is no volume and goes with the pod"
	case p == config.ECS && inContainer(dir):
		return "DATA_DIR is no volume and goes with the task"
	}
	return ""
}
