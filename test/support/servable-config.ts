/** A configuration that `serve` takes anywhere: free ports, no checks, and an endpoint that nobody needs. */
export const SERVABLE = `
extproc: { listen: ["127.0.0.1:0"] }
admin: { listen: "127.0.0.1:0" }
health: { enabled: false }
pools:
  - { name: default, endpoints: ["127.0.0.1:9"] }`;
