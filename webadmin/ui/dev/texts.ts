// The long texts of a world: commands and settings.
import { ago, type Kind, type S } from './world'

export const settings = (outage_budget: S['OutageBudget']): S['Settings'] => ({
  trust_domain: 'corp.example',
  controller_id: 'controller-1',
  version: '1.4.2',
  started_at: ago(90_000),
  outage_budget,
  groups: [
    {
      name: 'listen',
      settings: [
        { key: 'admin', value: '127.0.0.1:8080' },
        { key: 'enrollment', value: '0.0.0.0:8443' },
        { key: 'control', value: '0.0.0.0:8444' },
      ],
    },
    {
      name: 'ttl',
      settings: [
        { key: 'connector_svid', value: '10m' },
        { key: 'tunneler_svid', value: '30m' },
        { key: 'token', value: '10m' },
      ],
    },
    {
      name: 'admin',
      settings: [
        { key: 'public_url', value: '' },
        { key: 'oidc.issuer', value: 'https://id.corp.example' },
      ],
    },
  ],
})

const script = (kind: Kind) => (kind === 'tunneler' ? 'tunneler-setup.sh' : 'setup.sh')

const anchor = `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIQAJ9dYzY1Xh0mM9b0cT3ykzAKBggqhkjOPQQDAjAqMSgw
-----END CERTIFICATE-----
CA
`

const curl = (kind: Kind) =>
  `curl -fsSL --noproxy '*' --proto '=https' --cacert "$d/ca.crt" --capath "$d" --connect-to "enroll.corp.example:8443:controller.corp.example:8443" -o "$d/${script(kind)}" "https://enroll.corp.example:8443/install/${script(kind)}" &&\n`

const asRoot = (kind: Kind, id: string) =>
  `as_root CONTROLLER_ADDR="controller.corp.example:8443" ${kind.toUpperCase()}_ID="${id}" TRUST_DOMAIN="corp.example" CONTROLLER_CA_PATH="$d/ca.crt"`

const commands = (kind: Kind, id: string, secret: string): S['InstallCommand'][] => [
  { form: 'stdin', command: `${anchor}${curl(kind)}${asRoot(kind, id)} bash "$d/${script(kind)}"\n)` },
  {
    form: 'program',
    requires: requires(kind),
    command: `${anchor}${asRoot(kind, id)} \\\n  grpc${kind} enroll --token-file - <<'TOKEN'\n${secret}\nTOKEN\n)`,
  },
]

/** The commands to paste, as the API makes them. */
export const handed = (kind: Kind, id: string, secret: string) => {
  const all = commands(kind, id, secret)
  return { install_command: all[0]?.command ?? '', install_commands: all }
}

const certificate = `-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgIRAPyVYp0UnQ7nW7GIX6s4BbswCgYIKoZIzj0EAwIwKTEn
MCUGA1UEAxMeYm9vdHN0cmFwIENBIG9mIG15Y29ycC5pbnRlcm5hbA==
-----END CERTIFICATE-----
`

const requires = (kind: Kind) =>
  `grpc${kind} must be installed on the host, with the packages grpc-spire-agent and grpc${kind}`

export const enrollment = (): S['Enrollment'] => ({
  address: 'controller.corp.example:8443',
  trust_domain: 'mycorp.internal',
  ca: certificate,
  ca_fingerprint: Array.from({ length: 32 }, (_, i) =>
    ((i * 37 + 11) % 256).toString(16).padStart(2, '0').toUpperCase(),
  ).join(':'),
  fetch_command: `curl -fsS --noproxy '*' --insecure -o ca.crt "https://controller.corp.example:8443/ca.crt" &&
openssl x509 -in ca.crt -noout -fingerprint -sha256`,
  request_commands: (['connector', 'tunneler'] as const).map((kind) => ({
    kind,
    requires: requires(kind),
    command: `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
${certificate}CA
as_root CONTROLLER_ADDR="controller.corp.example:8443" TRUST_DOMAIN="mycorp.internal" CONTROLLER_CA_PATH="$d/ca.crt" \\
  grpc${kind} enroll --request --id "$(hostname -s)"
)`,
  })),
})
