// Zip archives, with every size bounded before anything is unpacked. Plain ones only: stored or deflated files, no encryption, no
// zip64, nothing before, between or behind.

const ARCHIVE_LIMIT = 64 * 2 ** 20;
const UNPACKED_LIMIT = 256 * 2 ** 20;
const FILES_LIMIT = 40100;
// Unpacking many small files is mostly waiting.
const AT_ONCE = 64;
const DAMAGED = "the bundle is a damaged or cut-off zip file";

/** The files of a zip, by their names. */
async function readArchive(bytes) {
  if (bytes.length > ARCHIVE_LIMIT) fail(`the bundle is larger than ${ARCHIVE_LIMIT / 2 ** 20} MiB`);
  if (bytes.length < 22 || bytes[0] !== 0x50 || bytes[1] !== 0x4b) fail("the bundle is not a zip file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const { members, end } = listMembers(bytes, view);
    const files = new Map();
    for (let at = 0; at < members.length; at += AT_ONCE) {
      const some = members.slice(at, at + AT_ONCE);
      const contents = await Promise.all(some.map((member) => unpack(bytes, view, member, end)));
      some.forEach((member, number) => files.set(member.name, contents[number]));
    }
    return files;
  } catch (error) {
    // A view says so when something lies beyond its end.
    if (error instanceof RangeError) fail(DAMAGED);
    throw error;
  }
}

function listMembers(bytes, view) {
  const end = bytes.length - 22;
  const [disk, otherDisk, here, count] = [4, 6, 8, 10].map((offset) => view.getUint16(end + offset, true));
  const [size, start, comment] = [view.getUint32(end + 12, true), view.getUint32(end + 16, true), view.getUint16(end + 20, true)];
  if (view.getUint32(end) !== 0x504b0506 || disk || otherDisk || here !== count || comment || start + size !== end) fail(DAMAGED);
  if (count > FILES_LIMIT) fail(`the bundle holds more than ${FILES_LIMIT} files`);
  const members = [];
  let at = start;
  for (let number = 0; number < count; number += 1) {
    if (view.getUint32(at) !== 0x504b0102) fail(DAMAGED);
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [checksum, packed, unpacked] = [16, 20, 24].map((offset) => view.getUint32(at + offset, true));
    const [nameLength, extra, remark] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = readName(bytes.subarray(at + 46, at + 46 + nameLength));
    if (flags & ~0x080e || (method !== 0 && method !== 8)) {
      fail(`the file ${name} is encrypted, or compressed in another way than by deflate`);
    }
    members.push({ name, method, checksum, packed, unpacked, offset: view.getUint32(at + 42, true) });
    at += 46 + nameLength + extra + remark;
  }
  if (at !== start + size) fail(DAMAGED);
  checkMembers(members);
  return { members, end: start };
}

function readName(raw) {
  const name = String.fromCharCode(...raw.subarray(0, 101));
  if (!/^[\x21-\x7e]{1,100}$/.test(name) || /[\\:*?"<>|]/.test(name)) {
    fail("the bundle holds a file whose name is too long or has other characters than those of a bundle");
  }
  if (name.split("/").some((part) => part === "" || part === "." || part === "..")) {
    fail(`the bundle holds '${name}', which is a folder, or a path that leads elsewhere`);
  }
  return name;
}

function checkMembers(members) {
  if (new Set(members.map((member) => member.name)).size !== members.length) fail("the bundle holds two files of the same name");
  if (members.reduce((sum, member) => sum + member.unpacked, 0) > UNPACKED_LIMIT) {
    fail(`the bundle unpacks to more than ${UNPACKED_LIMIT / 2 ** 20} MiB`);
  }
  const places = [...members].sort((first, second) => first.offset - second.offset);
  places.slice(1).forEach((member, number) => {
    // Files that share bytes are how a small zip unpacks to an endless one.
    if (places[number].offset + 30 + places[number].packed > member.offset) fail("files of the bundle overlap");
  });
}

async function unpack(bytes, view, member, end) {
  const [nameLength, extra] = [view.getUint16(member.offset + 26, true), view.getUint16(member.offset + 28, true)];
  const start = member.offset + 30 + nameLength + extra;
  const name = bytes.subarray(member.offset + 30, member.offset + 30 + nameLength);
  if (view.getUint32(member.offset) !== 0x504b0304 || !isEqual(name, encodeUtf8(member.name)) || start + member.packed > end) {
    fail(DAMAGED);
  }
  const packed = bytes.slice(start, start + member.packed);
  const content = member.method === 0 ? packed : await inflate(packed, member);
  if (content.length !== member.unpacked || checksumOf(content) !== member.checksum) {
    fail(`the file ${member.name} is damaged: its size or checksum is another than the zip says`);
  }
  return content;
}

async function inflate(packed, member) {
  const stream = new DecompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  // What goes wrong in writing is told by the reader, too.
  for (const written of [writer.write(packed), writer.close()]) written.catch(() => {});
  const reader = stream.readable.getReader();
  const content = new Uint8Array(member.unpacked);
  let size = 0;
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch {
      return fail(`the file ${member.name} cannot be decompressed`);
    }
    if (part.done) return content.subarray(0, size);
    if (size + part.value.length > member.unpacked) {
      reader.cancel().catch(() => {});
      fail(`the file ${member.name} is damaged: its size is another than the zip says`);
    }
    content.set(part.value, size);
    size += part.value.length;
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksumOf(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ CRC_TABLE[(value ^ byte) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}
