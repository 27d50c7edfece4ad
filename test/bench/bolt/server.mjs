// Bolt for JavaScript as its own documentation sets it up: the HTTP receiver, signature
// verification on, one listener for messages. It stores nothing.
import { App, HTTPReceiver } from '@slack/bolt';

const receiver = new HTTPReceiver({ signingSecret: process.env.SLACK_SIGNING_SECRET });
const app = new App({
  receiver,
  logLevel: 'error',
  // What authorize returns usually comes from auth.test, once.
  authorize: async () => ({ botToken: 'xoxb-bench', botId: 'B0BENCH', botUserId: 'U0BOT' }),
});
app.message(async () => {});
await app.start({ port: Number(process.env.PORT), host: '127.0.0.1' });
