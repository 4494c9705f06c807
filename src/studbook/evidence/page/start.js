// The page itself: what a person gives, when it is checked, and what is said of it.

const ROLES = { [ED25519]: "log", [COSIGNATURE]: "witness" };

const find = (id) => document.getElementById(id);

// Counts the checks, so that one that was overtaken shows nothing any more.
let current = 0;
let chosen = null;

/** Take back what was said: it was of another bundle or of another key. */
function clearResults() {
  current += 1;
  find("status").replaceChildren();
  find("results").hidden = true;
  for (const id of ["steps", "notes", "histories"]) find(id).replaceChildren();
}

async function check() {
  clearResults();
  const mine = current;
  const isCurrent = () => mine === current;
  find("status").replaceChildren(makeVerdict("busy", "Checking \u2026"));
  let state = null;
  try {
    if (!chosen) fail("no bundle was chosen");
    const trust = await parseTrust(find("key").value);
    const bundle = await readBundle(await loadFile(chosen));
    state = { trust, bundle };
  } catch (error) {
    if (isCurrent()) showRefusal(error);
    return;
  }
  const failure = await runSteps(state, isCurrent);
  if (!isCurrent()) return;
  if (failure) showRefusal(failure);
  else showSuccess(state);
}

async function loadFile(file) {
  if (file.size > ARCHIVE_LIMIT) fail(`the bundle is larger than ${ARCHIVE_LIMIT / 2 ** 20} MiB`);
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    return fail("the file cannot be read");
  }
}

/** Go through all steps; what went wrong, or null when every one of them passed. */
async function runSteps(state, isCurrent) {
  const plan = planOf(state.bundle, state.trust);
  let failure = null;
  let passed = 0;
  find("results").hidden = false;
  for (const { title, run } of plan) {
    let item;
    if (failure) {
      item = makeStep("open", title, ["not checked"]);
    } else {
      try {
        item = makeStep("good", title, await run(state));
        passed += 1;
      } catch (error) {
        failure = error;
        item = makeStep("bad", title, [capital(`${sentenceOf(error)}.`)]);
      }
    }
    if (!isCurrent()) return null;
    find("steps").append(item);
  }
  return failure ?? (passed === plan.length ? null : new Fault("a step was left out"));
}

/** What to say of an error: one that is not of the bundle is of this page, and then nothing is verified either. */
const sentenceOf = (error) =>
  error instanceof Fault ? error.message : `the check could not be finished (${error.name}: ${error.message})`;

function showRefusal(error) {
  const sentence = sentenceOf(error);
  find("status").replaceChildren(makeVerdict("bad", `NOT verified: ${sentence}.`, "Do not rely on anything in this bundle."));
}

function showSuccess(state) {
  const { bundle, signed } = state;
  const events = `All ${plural(bundle.entries.size, "event")} of this bundle stand, unchanged, in the log ${signed.origin}`;
  const sentence = `${events}, and no revision in between is missing.`;
  find("notes").replaceChildren(...makeNotes(listNotes(state)));
  find("histories").replaceChildren(...state.histories.map(makeHistory));
  find("status").replaceChildren(makeVerdict("good", "Verified", sentence));
}

function choose(file) {
  chosen = file ?? null;
  find("chosen").textContent = chosen
    ? `${chosen.name} (${Math.ceil(chosen.size / 1024).toLocaleString("en")} KiB)`
    : "Drop the .zip file here";
  if (chosen && find("key").value.trim()) check();
  else clearResults();
}

/** The fingerprints of the keys as they are typed, so that they can be compared before anything is checked. */
async function showKeys() {
  const text = find("key").value;
  clearResults();
  const mine = current;
  let items = [];
  try {
    const { keys } = text.trim() ? await parseTrust(text) : { keys: [] };
    items = keys.map((key) => {
      const role = ROLES[key.type] ?? "ML-DSA-44: not checked by this page";
      return make("li", {}, `${key.name} (${role})`, makeFingerprint(key.fingerprint));
    });
  } catch (error) {
    items = [make("li", { className: "wrong" }, capital(`${sentenceOf(error)}.`))];
  }
  if (mine === current) find("keys").replaceChildren(...items);
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});
find("file").addEventListener("change", (event) => choose(event.target.files[0]));
find("key").addEventListener("input", showKeys);
for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    find("drop").classList.add("over");
  });
}
for (const type of ["dragleave", "drop", "dragend"]) document.addEventListener(type, () => find("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) {
    find("file").value = "";
    choose(event.dataTransfer.files[0]);
  }
});
// A browser may have kept what was typed before the page was loaded anew.
showKeys();
