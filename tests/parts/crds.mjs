//! `node tests/parts/crds.mjs <objects.json`: holds custom resources against what their projects publish about them. Validators that were
//! generated from the definitions judge values; the types that were generated with them judge names, since a definition drops what it does
//! not know without a word. Prints a line for each problem, last `N objects, M problems`; status 1 if there is any.

import ts from "typescript";
import { fileURLToPath } from "node:url";

const homes = {
  "cert-manager.io": "cert-manager/cert-manager.io",
  "gateway.networking.k8s.io": "gateway-api/gateway.networking.k8s.io",
  "monitoring.coreos.com": "prometheus-operator/monitoring.coreos.com",
};

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const objects = JSON.parse(Buffer.concat(chunks).toString());
const problems = [];

/** The module of an object's kind; a kind that nobody publishes is a problem, not a pass. */
function home(object) {
  const [group, version] = object.apiVersion.split("/");
  return homes[group] && `@kubernetes-models/${homes[group]}/${version}/${object.kind}`;
}

async function values(object) {
  try {
    const { [object.kind]: Kind } = await import(home(object));
    new Kind(object).validate();
  } catch (error) {
    problems.push(`${object.kind}: ${error.message}`);
  }
}

function names() {
  const file = fileURLToPath(new URL("objects.ts", import.meta.url));
  const text = objects
    .map((object, n) => `export const o${n}: import("${home(object)}").I${object.kind} = ${JSON.stringify(object)};`)
    .join("\n");
  const options = { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? text : readFile(name));
  host.getSourceFile = (name, ...more) => (name === file ? ts.createSourceFile(name, text, ...more) : getSourceFile(name, ...more));
  for (const said of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
    const line = said.file ? said.file.getLineAndCharacterOfPosition(said.start).line : 0;
    problems.push(`${objects[line].kind}: ${ts.flattenDiagnosticMessageText(said.messageText, " ")}`);
  }
}

for (const object of objects) await values(object);
names();
for (const problem of problems) console.log(problem);
console.log(`${objects.length} objects, ${problems.length} problems`);
process.exitCode = problems.length ? 1 : 0;
