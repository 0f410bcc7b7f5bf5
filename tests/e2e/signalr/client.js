// One SignalR client, as a program that the tests talk to: what happens goes out as lines of JSON, what to do comes in as lines.
// usage: node client.js <package> <url> <transport> <session id> [<access token>]
const [packageName, url, transportName, sessionId, accessToken] = process.argv.slice(2);
// Version 5 takes a program that has fetch for a page in a browser; the Node of its day had none.
if (packageName === "signalr-5") delete globalThis.fetch;
const signalR = require(packageName);

const tell = (event, more) => process.stdout.write(JSON.stringify({ event, ...more }) + "\n");
const options = { transport: signalR.HttpTransportType[transportName] };
if (accessToken) options.accessTokenFactory = () => accessToken;
const connection = new signalR.HubConnectionBuilder()
  .withUrl(url + "/solutionStatusHub", options)
  .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 200 })
  .configureLogging(signalR.LogLevel.Error)
  .build();

connection.on("newSolutionStatus", (text) => tell("status", { type: typeof text, text }));
connection.onreconnecting(() => tell("reconnecting"));
connection.onreconnected(async () => {
  await connection.invoke("AddToGroup", sessionId);
  tell("rejoined");
});
connection.onclose((error) => tell("closed", { error: error ? String(error) : null }));

const commands = {
  call: async (target, ...args) => tell("answered", { result: await connection.invoke(target, ...args) }),
  stop: () => connection.stop(),
};
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...args] = JSON.parse(line);
    Promise.resolve(commands[name](...args)).catch((error) => tell("failed", { error: String(error.message) }));
  })
  .on("close", () => process.exit(0));

connection
  .start()
  .then(() => connection.invoke("AddToGroup", sessionId))
  .then((result) => tell("joined", { result }))
  .catch((error) => {
    tell("failed", { error: String(error.message) });
    process.exit(1);
  });
