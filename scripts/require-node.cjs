// Runs before every npm script: names the Node that it found and the cure when that Node is too old.
// Written so that any Node of the last ten years can parse it.
"use strict";
var needed = [22, 18];
var found = process.versions.node.split(".").map(Number);
var isEnough = found[0] > needed[0] || (found[0] === needed[0] && found[1] >= needed[1]);
if (!isEnough) {
  console.error(
    "Moorline needs Node >= " +
      needed.join(".") +
      ", but this script runs on Node " +
      process.versions.node +
      " (" +
      process.execPath +
      ").\n" +
      "`npm ci` normally brings Node 24 along as the optional package `node`. It is missing here: either install\n" +
      "scripts are blocked (allow them: `npm ci --ignore-scripts=false`), or the platform has no such binary.\n" +
      "Otherwise put a Node >= " +
      needed.join(".") +
      " first on PATH.",
  );
  process.exit(1);
}
