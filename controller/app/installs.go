package app

import (
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
)

// installs are what new hosts are installed from, as it was at start.
type installs struct {
	tree *install.Tree // nil: there is none
	key  *install.Key
	log  *zap.Logger
}

// scripts says whether a host can be installed by them.
func (i installs) scripts() bool {
	return i.tree != nil && i.tree.Has("setup.sh") && i.tree.Has("tunneler-setup.sh")
}

// openInstalls reads the tree and opens or makes the key that signs it. A tree that
// is not there or not fit to be served stops nothing: hosts can be installed by
// packages too.
func openInstalls(dir, keyFile string, log *zap.Logger) (installs, error) {
	i := installs{log: log}
	var err error
	if i.key, err = install.OpenKey(keyFile); err != nil {
		return i, err
	}
	if i.key.Made {
		log.Info("release key created; hosts that trust another release key will refuse it", zap.String("file", keyFile), zap.String("fingerprint", i.key.Fingerprint()))
	}
	switch i.tree, err = install.OpenTree(dir); {
	case errors.Is(err, install.ErrNoTree):
		log.Info("no install tree, hosts are installed by package", zap.String("install_dir", dir))
	case err != nil:
		log.Error("install tree cannot be served: check install_dir", zap.Error(err))
	default:
		log.Info("install tree read", zap.String("install_dir", dir), zap.String("version", i.tree.Version()),
			zap.Strings("platforms", i.tree.Platforms()), zap.Int("files", i.tree.Files()))
	}
	return i, nil
}

func (i installs) service(ca func() []byte, result func(string)) (*install.Service, error) {
	return install.New(install.Config{Tree: i.tree, Key: i.key, CA: ca, Result: result, Log: i.log})
}

// describeTree says for a human what new hosts are installed from.
func describeTree(dir string) string {
	tree, err := install.OpenTree(dir)
	switch {
	case errors.Is(err, install.ErrNoTree):
		return "none at " + dir + " (install_dir): hosts are installed by package"
	case err != nil:
		return "not served, " + err.Error()
	default:
		return fmt.Sprintf("%s, version %s for %s", dir, tree.Version(), strings.Join(tree.Platforms(), ", "))
	}
}
