// highlight writes a JSON value as coloured, indented text. Every piece becomes a
// text node, so nothing in it can be markup.
export function highlight(value) {
  const out = document.createDocumentFragment();
  write(out, value, "");
  return out;
}

function piece(out, text, className) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  out.append(span);
}

function write(out, value, indent) {
  if (typeof value === "string") return piece(out, JSON.stringify(value), "string");
  if (value === null || typeof value !== "object") return piece(out, String(value), "literal");
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return out.append(list ? "[]" : "{}");
  const inner = indent + "  ";
  out.append(list ? "[\n" : "{\n");
  entries.forEach(([key, member], i) => {
    out.append(inner);
    if (!list) {
      piece(out, JSON.stringify(key), "key");
      out.append(": ");
    }
    write(out, member, inner);
    out.append(i + 1 < entries.length ? ",\n" : "\n");
  });
  out.append(indent + (list ? "]" : "}"));
}
