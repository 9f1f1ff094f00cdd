// wasm.mjs PROGRAM: runs a WebAssembly program under node and gives it the services of
// examples/embedded/boards/board.h.
import { readFileSync, writeSync } from "node:fs";

let memory;
const board_write = (text) => {
  const bytes = new Uint8Array(memory.buffer, text);
  writeSync(1, bytes.subarray(0, bytes.indexOf(0)));
};
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), { env: { board_write } });
memory = instance.exports.memory;
process.exit(instance.exports.main());
