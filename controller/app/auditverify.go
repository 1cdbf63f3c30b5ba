package app

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// auditVerification is what audit verify prints with -o json.
type auditVerification struct {
	OK          bool                   `json:"ok"`
	Records     int64                  `json:"records"`
	Archived    int64                  `json:"archived"`
	Checkpoints int64                  `json:"checkpoints"`
	Renewals    int64                  `json:"renewals"`
	Pending     int64                  `json:"pending"`
	Root        string                 `json:"root"`
	SignedAt    time.Time              `json:"signed_at,omitzero"`
	Witness     *witnessed             `json:"witness,omitempty"`
	Problem     *adminapi.AuditProblem `json:"problem,omitempty"`
}

type witnessed struct {
	Connector string    `json:"connector"`
	Size      int64     `json:"size"`
	At        time.Time `json:"at"`
}

// verifyFlags are those of audit verify.
type verifyFlags struct {
	database, witness, key string
	out                    cli.Output
}

func auditVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the audit log offline and name the first bad record",
		Long: `Read the database, hash every event again and compare the result with the stored
hashes, with every signed checkpoint and, with --witness, with the checkpoint that a
connector keeps. Count and hash the renewals of SVIDs again, and compare the result with
the svid.anchor event of each hour. The controller may run or not; nothing is changed.

Of events that retention has removed, the hashes are still there: they are combined again,
and compared with the audit.archive event and with the checkpoints that follow.

Only a witness shows that the whole database was replaced with an older copy, because
an older copy is consistent in itself. Copy the file from a connector's state
directory, without going through the controller:
  /var/lib/grpcconnector/` + witness.FileName + `

It does not find a record that was never written, a change in the last second
before the record was signed, a change of a renewal that no anchor covers yet (up to
65 minutes), or a record that somebody with write access to the
database inserts: the running controller signs it like its own.

Exit codes: 0 the log is intact, 1 it was tampered with, 2 it could not be verified:
the database, key or witness file is missing, damaged or from another controller.`,
		Example: `  grpccontroller audit verify
  grpccontroller audit verify --witness ./audit-witness.json
  grpccontroller audit verify --database ./evidence.db --verifier-key "$(cat checkpoint.pub)" -o json`,
		RunE: f.run,
	}
	cmd.Flags().StringVar(&f.database, "database", "", "database `file` (default: controller.db in the data directory)")
	cmd.Flags().StringVar(&f.witness, "witness", "", "witness `file` of a connector (audit-witness.json)")
	cmd.Flags().StringVar(&f.key, "verifier-key", "", "public `key` of the log (default: audit/checkpoint.pub in the data directory)")
	f.out.Register(cmd.Flags())
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, _ []string) error {
	dir, err := cmd.Flags().GetString("data-dir") // of the group
	if err != nil {
		return err
	}
	if dir == "" {
		dir = config.Default().DataDir
	}
	v, err := f.verification(paths(dir))
	if err != nil {
		return cli.UsageError(err)
	}
	if w := cmd.ErrOrStderr(); isTerminal(w) {
		v.Progress = func(done, total int64) { _, _ = fmt.Fprintf(w, "\r%d of %d records", done, total) }
		defer func() { _, _ = fmt.Fprintln(w) }()
	}
	file := f.database
	if file == "" {
		file = paths(dir).database()
	}
	db, err := store.OpenReadOnly(cmd.Context(), file)
	if err != nil {
		return cli.UsageError(err)
	}
	defer func() { _ = db.Close() }()
	report, err := audit.Verify(cmd.Context(), db, v)
	if err != nil {
		return cli.UsageError(fmt.Errorf("audit log not verified: %w", err))
	}
	return f.print(cmd.OutOrStdout(), report, v)
}

func (f *verifyFlags) verification(p paths) (v audit.Verification, err error) {
	if v.VerifierKey = f.key; v.VerifierKey == "" {
		if v.VerifierKey, err = audit.ReadVerifierKey(p.audit()); err != nil {
			return v, fmt.Errorf("public key of the log: %w: name the controller's data directory with --data-dir, or the key with --verifier-key", err)
		}
	}
	v.Live = f.database == "" // a controller may be running
	if f.witness != "" {
		file, err := witness.Load(f.witness)
		if err != nil {
			return v, fmt.Errorf("witness file: %w", err)
		}
		v.Witness = &file
	}
	return v, nil
}

func (f *verifyFlags) print(w io.Writer, r audit.Report, v audit.Verification) error {
	out := auditVerification{
		OK: r.Problem == nil, Records: r.Size, Archived: r.Archived, Checkpoints: r.Checkpoints, Renewals: r.Renewals, Pending: r.Pending, Root: r.Root.String(), SignedAt: r.Newest.Time,
	}
	if p := r.Problem; p != nil {
		out.Problem = &adminapi.AuditProblem{Kind: p.Kind, Index: p.Index, Time: p.Time, Action: string(p.Action), Detail: p.Detail}
	}
	if v.Witness != nil {
		kept, _ := v.Witness.Kept() // Load has read it
		out.Witness = &witnessed{Connector: v.Witness.Connector, Size: kept.Checkpoint.Size, At: v.Witness.WitnessedAt}
	}
	err := f.out.Write(w, out, func(w io.Writer) error { return writeVerification(w, out) })
	if r.Problem != nil {
		return errors.Join(err, fmt.Errorf("the audit log was tampered with: %w", r.Problem))
	}
	return err
}

func writeVerification(w io.Writer, v auditVerification) error {
	if !v.OK {
		return nil // the error says it
	}
	_, err := fmt.Fprintf(w, "the audit log is intact\nrecords      %d, in %d checkpoints, the last of %s\nroot hash    %s\nnot signed   %d (the sequencer signs within a second)\n",
		v.Records, v.Checkpoints, v.SignedAt.Format(time.RFC3339), v.Root, v.Pending)
	if err == nil && v.Archived > 0 {
		_, err = fmt.Fprintf(w, "archived     the first %d records: retention removed them, their hashes are intact\n", v.Archived)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "renewals     %d of SVIDs are those that were anchored\n", v.Renewals)
	}
	if err == nil && v.Witness != nil {
		_, err = fmt.Fprintf(w, "witness      %s confirms the first %d records, of %s\n", v.Witness.Connector, v.Witness.Size, v.Witness.At.Format(time.RFC3339))
	}
	if err == nil && v.Witness == nil {
		_, err = fmt.Fprintln(w, "witness      not given: an older copy of the whole database would pass too")
	}
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(f.Fd())
}
