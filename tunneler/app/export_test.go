package app

import (
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// ExportAll exports what run does, of a tunneler to which nothing has happened.
func ExportAll(r *metrics.Registry) {
	r.Reconnects(streamDirectory)
	r.Reconnects(streamSession)
	flowMetrics(r)
	r.Connections("health", sourcelimit.NewListener(nil, sourcelimit.Caps{}))
	r.Identity(&mtls.Source{})
	export(r, func() directory.Status { return directory.Status{} }, func() session.Status { return session.Status{} })
}

// SSHConfigCommand is the command ssh-config.
var SSHConfigCommand = sshConfigCommand

// The commands that ask the tunneler of this host.
var (
	ResourcesCommand = resourcesCommand
	ConnectCommand   = connectCommand
)
