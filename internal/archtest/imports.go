package archtest

import (
	"slices"
	"strings"
)

// domain lists the packages that hold the rules of the product.
var domain = []string{"controller/enroll", "controller/fleet", "controller/presence", "controller/policy", "controller/rotation", "controller/anchors", "controller/audit", "controller/recovery", "controller/changelog", "controller/events", "controller/auth", "controller/replay", "controller/attention", "controller/flows"}

// wholeSystem has the packages that start all programs together.
const wholeSystem = "internal/e2e"

// mayImport says for each part of the tree which other parts it may import,
// beside itself. The first row whose part holds the importing package counts.
var mayImport = []struct {
	part    string
	allowed []string
}{
	{"proto", nil},
	// What anybody may fetch needs nothing that a controller knows.
	{"controller/install", []string{"internal"}},
	// The store implements what the domain asks for, and knows no transport.
	{"controller/store", []string{"internal", "controller"}},
	{"controller", []string{"proto", "internal", "spire", "webadmin"}},
	{"connector", []string{"proto", "internal", "spire"}},
	{"tunneler", []string{"proto", "internal", "spire"}},
	{"spire/server", []string{"internal", "spire", "controller/fleet", "controller/rotation"}},
	{"spire", []string{"internal"}},
	{"webadmin/api/apitest", append([]string{"internal", "webadmin", "controller/bootstrapca"}, domain...)},
	{"webadmin", append([]string{"internal"}, domain...)},
	// The host's side of enrollment hands what it got to the agent's supervisor.
	{"internal/enrollclient", []string{"proto", "internal", "spire/hostagent"}},
	{"internal/doctor", []string{"internal", "spire/hostagent", "spire/proc"}},
	// A running program reads what the agent's supervisor left for it.
	{"internal/hostprogram", []string{"internal", "spire/conf", "spire/hostagent"}},
	{"internal/hostcmd", []string{"proto", "internal", "spire"}},
	{"internal", []string{"proto"}},
}

// programBoundaries: the programs meet at proto and internal and never import one
// another, so that each can be read, tested and replaced alone.
func programBoundaries(f *File) []string {
	if within(f.Dir(), wholeSystem) {
		return nil
	}
	var out []string
	for _, row := range mayImport {
		if !within(f.Dir(), row.part) {
			continue
		}
		for _, dir := range f.OwnImports() {
			domainInTest := f.IsTest() && within(dir, "controller/fleet", "controller/presence") && within(row.part, "spire")
			// Rather than fakes.
			realInTest := f.IsTest() && within(dir, "controller/store", "controller/bootstrapca") && within(row.part, "webadmin")
			if !within(dir, row.part) && !within(dir, row.allowed...) && !domainInTest && !realInTest {
				out = append(out, imports(dir))
			}
		}
		break
	}
	return out
}

// pureDomain: the domain packages know no transport, no wire format and no store.
func pureDomain(f *File) []string {
	if !within(f.Dir(), domain...) {
		return nil
	}
	var out []string
	for _, p := range f.Imports() {
		if within(p, "google.golang.org/grpc", "google.golang.org/protobuf", "github.com/gin-gonic/gin") {
			out = append(out, imports(p))
		}
	}
	for _, dir := range f.OwnImports() {
		// Rather than fakes; also in test kits.
		real := (f.IsTest() || isKit(f.Dir())) && within(dir, "controller/store", "controller/bootstrapca")
		if !within(dir, "internal") && !within(dir, domain...) && !real {
			out = append(out, imports(dir))
		}
	}
	return out
}

// isKit reports whether the package is there for tests only; testKits keeps it so.
func isKit(dir string) bool { return strings.HasSuffix(dir, "test") && dir != "internal/archtest" }

// testKits: what ships imports no test kit, which may import anything and is easy to fool.
func testKits(f *File) []string {
	if f.IsTest() || isKit(f.Dir()) || within(f.Dir(), wholeSystem) {
		return nil
	}
	var out []string
	for _, dir := range f.OwnImports() {
		if isKit(dir) {
			out = append(out, imports(dir))
		}
	}
	return out
}

// homes says where each outside dependency lives. Tests and test kits may import it
// anywhere.
var homes = []struct {
	dependencies []string
	home         string
}{
	{[]string{"github.com/gin-gonic/gin", "github.com/gin-contrib"}, "webadmin"},
	{[]string{"github.com/spiffe/spire-api-sdk"}, "spire"},
	{[]string{
		"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/lib/pq", "github.com/mattn/go-sqlite3", "github.com/pressly/goose",
	}, "controller/store"},
	{[]string{"github.com/spiffe/go-spiffe/v2/workloadapi", "github.com/spiffe/go-spiffe/v2/spiffetls"}, "internal/mtls"},
	{[]string{
		"github.com/alexedwards/argon2id", "github.com/pquerna/otp", "github.com/coreos/go-oidc", "golang.org/x/oauth2", "github.com/go-jose/go-jose",
	}, "controller/auth"},
	{[]string{"github.com/knadh/koanf", "github.com/joho/godotenv"}, "internal/settings"},
	{[]string{"github.com/prometheus"}, "internal/metrics"},
	{[]string{"go.opentelemetry.io"}, "internal/tracing"},
	{[]string{"filippo.io/age"}, "internal/keys"},
	{[]string{"github.com/coreos/go-systemd"}, "internal/health"},
	{[]string{"golang.org/x/crypto/acme"}, "webadmin/certs"},
	{[]string{"github.com/things-go/go-socks5"}, "tunneler/listen"},
}

// oneHome: a dependency that is used in one place can be replaced in one place.
func oneHome(f *File) []string {
	if f.IsTest() || isKit(f.Dir()) {
		return nil
	}
	var out []string
	for _, p := range f.Imports() {
		for _, h := range homes {
			if within(p, h.dependencies...) && !within(f.Dir(), h.home) {
				out = append(out, imports(p)+", which lives in "+h.home)
			}
		}
	}
	slices.Sort(out)
	return out
}
