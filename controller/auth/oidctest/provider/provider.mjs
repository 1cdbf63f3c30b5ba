// A certified OpenID provider for tests. It prints its issuer and serves until its
// standard input closes. Accounts and their groups come from the environment.
import { createServer } from 'node:http';
import { once } from 'node:events';
import Provider from 'oidc-provider';

const accounts = JSON.parse(process.env.OIDCTEST_ACCOUNTS);
const server = createServer();
server.listen(Number(process.env.OIDCTEST_PORT ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'grpccontroller',
    client_secret: process.env.OIDCTEST_SECRET,
    redirect_uris: JSON.parse(process.env.OIDCTEST_REDIRECT_URIS),
  }],
  claims: { openid: ['sub'], email: ['email'], profile: ['name'], groups: ['groups'] },
  conformIdTokenClaims: process.env.OIDCTEST_USERINFO === '1', // claims of scopes only from UserInfo
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => true },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  cookies: { keys: ['of a test only'] },
  async findAccount(_ctx, sub) {
    return accounts[sub] && { accountId: sub, claims: async () => ({ sub, ...accounts[sub] }) };
  },
});
server.on('request', provider.callback());
process.stdin.on('end', () => process.exit(0)).resume();
console.log(issuer);
