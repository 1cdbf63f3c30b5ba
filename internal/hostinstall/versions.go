package hostinstall

import (
	"context"
	"fmt"
)

// versions prints what is here and what the controller has.
func (i *Installer) versions(ctx context.Context) error {
	_, _ = fmt.Fprintf(i.cfg.Out, "installed   %s\n", or(i.versionOf(ctx, i.role.binary()), "nothing"))
	if i.vars.ControllerAddr == "" || i.vars.ControllerCAPath == "" {
		_, err := fmt.Fprintln(i.cfg.Out, "controller  not asked: CONTROLLER_ADDR and CONTROLLER_CA_PATH say where it is")
		return err
	}
	var f faults
	i.checkController(&f)
	if err := f.err(); err != nil {
		return i.failed(ctx, err)
	}
	c, err := newController(i.vars.ControllerAddr, i.vars.ControllerCAPath, i.td)
	if err != nil {
		return err
	}
	offer, err := c.offer(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(i.cfg.Out, "controller  %s\n", offer.version)
	return err
}
