// Columns as they come from kit.widgets.columns: typed arrays over the buffers, texts decoded when they are read.

const ARRAYS = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array, us: Float64Array };
const decoder = new TextDecoder();

function typed(kind, part) {
  const Kind = ARRAYS[kind];
  const offset = part.byteOffset ?? 0;
  const buffer = part.buffer ?? part;
  const length = Math.floor(part.byteLength / Kind.BYTES_PER_ELEMENT);
  // A buffer in the middle of a message need not be aligned; then it is copied.
  if (offset % Kind.BYTES_PER_ELEMENT) return new Kind(buffer.slice(offset, offset + length * Kind.BYTES_PER_ELEMENT));
  return new Kind(buffer, offset, length);
}

class Column {
  constructor(header, rows, next) {
    this.name = header.name;
    this.kind = header.kind;
    this.rows = rows;
    const held = Object.fromEntries(header.parts.map((part) => [part, next()]));
    this.valid = held.valid ? typed("u1", held.valid) : null;
    if (this.kind === "text") {
      this.offsets = typed("u4", held.offsets);
      this.bytes = typed("u1", held.data);
    } else if (this.kind === "code") {
      this.data = typed(header.width, held.data);
      const words = new Column(header.words, header.words.rows, next);
      this.words = Array.from({ length: words.rows }, (_, i) => words.at(i));
    } else {
      this.data = typed(this.kind, held.data);
    }
  }

  /** The value of a row: a number, a text, or null where it is missing. */
  at(row) {
    if (this.valid && !this.valid[row]) return null;
    if (this.kind === "text") return decoder.decode(this.bytes.subarray(this.offsets[row], this.offsets[row + 1]));
    if (this.kind === "code") return this.words[this.data[row]] ?? null;
    return this.data[row];
  }
}

/** A table: `rows`, `names`, `column(name)`, `at(name, row)`. */
export class Frame {
  constructor(header, buffers) {
    this.rows = header.rows;
    let place = 0;
    this.columns = new Map(header.columns.map((one) => [one.name, new Column(one, header.rows, () => buffers[place++])]));
    this.names = [...this.columns.keys()];
  }

  column(name) {
    return this.columns.get(name);
  }

  at(name, row) {
    return this.columns.get(name)?.at(row) ?? null;
  }

  /** All values of a column as an array. */
  list(name) {
    const column = this.columns.get(name);
    return column ? Array.from({ length: this.rows }, (_, row) => column.at(row)) : [];
  }

  /** The rows whose column `id` is `id`, as objects. */
  where(name, value) {
    const found = [];
    const column = this.columns.get(name);
    for (let row = 0; column && row < this.rows; row++) if (column.at(row) === value) found.push(this.row(row));
    return found;
  }

  row(row) {
    return Object.fromEntries(this.names.map((name) => [name, this.at(name, row)]));
  }
}
