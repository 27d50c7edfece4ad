package sandbox

type userGroup struct{}
type file struct{ id string }
type scheduled struct{}
type canvas struct{}
type responseURL struct{}
type pin struct{}
type bookmark struct{}

func (s *Sandbox) due()                    {}
func (s *Sandbox) populateGroups()         {}
func (s *Sandbox) fileView(f *file) object { return object{"id": f.id} }
