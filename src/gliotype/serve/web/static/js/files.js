// The files of a study that the user drops or chooses, with their paths inside it.

const hidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX" || part === "Thumbs.db");

/** Read what was dropped, with all that folders hold. */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found.filter(({ path }) => !hidden(path));
}

/** Read what was chosen in a file dialog. */
export function filesOfInput(input) {
  return [...input.files]
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => !hidden(path));
}

async function walk(entry, above, found) {
  const path = above ? `${above}/${entry.name}` : entry.name;
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await walk(each, path, found);
  }
}

const STREAMS = 4;

/** Send files, several at a time; calls `onProgress` with files and bytes sent. */
export async function sendAll(files, send, onProgress, signal) {
  let next = 0, sent = 0, done = 0;
  const under = new Map();
  const report = () => onProgress(done, sent + [...under.values()].reduce((sum, bytes) => sum + bytes, 0));
  async function stream() {
    while (next < files.length) {
      const { file, path } = files[next++];
      await send(path, file, (bytes) => { under.set(path, bytes); report(); }, signal);
      under.delete(path);
      sent += file.size;
      done += 1;
      report();
    }
  }
  await Promise.all(Array.from({ length: STREAMS }, stream));
}
