// Writes the known answers of package canon to standard output, one JSON object
// a line: {"what", "text" or "base64", "out"}. The text is what JSON.parse reads,
// in base64 where it is not UTF-8; out is JSON.stringify(JSON.parse(text)), and
// is missing where JSON.parse throws. Run with Node 20:
//
//   node vectors.mjs > vectors.jsonl
//
// The output is the same every time; a test of the package checks that.

let seed = 0x9e3779b9
// random returns the next of a xorshift sequence, from 0 to n-1.
function random(n) {
  seed ^= seed << 13
  seed ^= seed >>> 17
  seed ^= seed << 5
  return (seed >>> 0) % n
}
const pick = list => list[random(list.length)]
const times = (n, f) => Array.from({ length: n }, (_, i) => f(i))

const lines = []
const seen = new Set()

// add takes a text as a string or as bytes.
function add(what, text) {
  const bytes = Buffer.from(text)
  const key = bytes.toString('latin1')
  if (seen.has(key)) return
  seen.add(key)
  const decoded = bytes.toString() // as a program in Node gets it
  const line = { what }
  if (Buffer.from(decoded).equals(bytes)) line.text = decoded
  else line.base64 = bytes.toString('base64')
  try {
    line.out = JSON.stringify(JSON.parse(decoded))
  } catch { /* refused */ }
  lines.push(JSON.stringify(line))
}
const addAll = (what, texts) => texts.forEach(text => add(what, text))

// Strings.
addAll('escape', times(0x100, c => `"\\${String.fromCharCode(c)}"`))
addAll('escaped character', times(0x140, c => `"\\u${c.toString(16).padStart(4, '0')}"`))
addAll('character', times(0x140, c => `"${String.fromCharCode(c)}"`))
addAll('bad escape', ['"\\u12"', '"\\u12g4"', '"\\u', '"\\', '"\\"', '"\\x41"', '"\\U0041"', '"\\u{41}"', '"\\u 041"', '"\\u+041"', '"\\u00zz'])
addAll('separator', ['"\u2028\u2029"', '"\\u2028\\u2029"', '"\ufeff"', '"<>&\\u003c\\u003E\\u0026"', '"\\/ / \\u002f"', '"\u007f\u0080\u009f"', '"\ufffe\uffff"'])
const units = ['\\ud800', '\\udbff', '\\udc00', '\\udfff', '\\uD83D', '\\uDE00', 'a', '😀', '\\n', '\\u0041', '\ue000', '\ud7ff', '\ufffd', '']
addAll('surrogate', units.flatMap(a => units.flatMap(b => [`"${a}${b}"`, `"x${a}${b}\\ude00"`])))
const pieces = [...units, '"', '\\\\', '\\"', '\\u0000', '\\u001f', '\u2028', 'é', '漢', '\\ud83d\\ude00', '\\t', '\t', 'oip', '\\', '<']
addAll('mixed string', times(250, () => `"${times(random(9), () => pick(pieces)).join('')}"`))

// Invalid UTF-8.
const parts = [[0x80], [0xbf], [0xc0], [0xc1], [0xc2], [0xdf], [0xe0], [0xe0, 0x9f], [0xe0, 0xa0], [0xe1, 0x80], [0xed, 0x9f], [0xed, 0xa0], [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf], [0xef, 0xbf], [0xf0], [0xf0, 0x8f], [0xf0, 0x90], [0xf0, 0x90, 0x80], [0xf1, 0x80, 0x80], [0xf4, 0x8f, 0xbf], [0xf4, 0x90], [0xf5], [0xff],
  [0x41], [0xc3, 0xa9], [0xf0, 0x9f, 0x98, 0x80], [0xe2, 0x82, 0xac], [0x5c, 0x6e]]
const quoted = (...list) => Buffer.from([0x22, ...list.flat(), 0x22])
addAll('one invalid sequence', parts.map(p => quoted(p)))
addAll('invalid sequences', times(250, () => quoted(...times(1 + random(5), () => pick(parts)))))
add('invalid outside a string', Buffer.from([0x5b, 0xc3, 0x5d]))
add('surrogates in bytes', quoted([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]))
add('keys that are equal once decoded', Buffer.concat([Buffer.from('{"\xff":1,"b":2,'), quoted([0xff]), Buffer.from(':3,"\\ufffd":4,'), quoted([0xe2, 0x82]), Buffer.from(':5}')]))
addAll('other encodings', [Buffer.from('{"a":1}', 'utf16le'), Buffer.from('\ufeff[1]'), Buffer.from([0xff, 0xfe, 0x31, 0])])

// Numbers.
addAll('number', `0 -0 0.0 -0.0 0e0 -0e5 0E+1 0e-1 1 -1 1.0 1.50 1e0 10 100 1e1 1E1 1e+1 1e-1 123456789012345 1234567890123456 -999999999999999 9007199254740991
  9007199254740992 9007199254740993 9007199254740994 9007199254740995 -9007199254740993 18446744073709551615 18446744073709551616 1e20 1e21 1e22 -1e21 123e19
  999999999999999900000 999999999999999999999 100000000000000000000 1000000000000000000000 1e-5 1e-6 1e-7 0.000001 0.0000001 0.00000123 1.5e-7 -1e-7 5e-324 4e-324
  2.4703282292062327e-324 2.4703282292062328e-324 2.2250738585072014e-308 2.2250738585072011e-308 1.7976931348623157e308 1.7976931348623158e308
  1.7976931348623159e308 1e308 1e309 -1e309 1e999 -1e999 1e-999 -1e-999 0.1 0.2 0.3 0.30000000000000004 1.1 3.14159265358979323846 2.5 33333333333333333333
  4.35 4.349999999999999 1e23 9.5e22 9007199254740993.0 9007199254740993e0 90071992547409930e-1 0.000000000000000000000000000001e30 12345678901234567890e-10
  1e00000000000000000005 1e-00000000000000000005 0e99999999999999999999 1e99999999999999999999 1e-99999999999999999999 1.0e+2147483648 1e-2147483649 1.e1 1e400
  0.5e1 1e5 2e-3 123.456e2 1.7976931348623157e+308 4.9e-324 1e-323 8.41e21 8.5e-7 2147483647 2147483648 -2147483648 -2147483649 4294967296`.split(/\s+/))
const zeros = n => '0'.repeat(n)
addAll('long number', [`1${zeros(899)}e-880`, `9007199254740993${zeros(884)}e-884`, `9007199254740993${zeros(884)}1e-885`, `9007199254740993.${zeros(900)}1`, `9007199254740993.${zeros(900)}`,
  `0.${zeros(999)}1e1000`, `1${zeros(1000)}e-1000`, `-0.${zeros(1200)}`, `0.${zeros(1200)}e5`, `-1.${zeros(900)}e400`, `0.${zeros(9999)}1e10000`, `1${zeros(12000)}e-12001`,
  `${'123456789'.repeat(100)}e-890`, `0.${'9'.repeat(900)}`, `${'9'.repeat(400)}`, `1${zeros(2000)}e99999999999`, `1${zeros(2000)}e-99999999999`, `2.4703282292062327208${zeros(800)}e-324`,
  // Halfway between two doubles, to the last of 767 digits, and a little above it.
  `${(5n ** 1075n).toString()}e-1075`, `${(5n ** 1075n).toString()}${zeros(100)}1e-1176`, `${(5n ** 1075n * 3n).toString()}e-1075`])
addAll('random double', times(400, () => {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setUint32(0, random(0x100000000))
  bits.setUint32(4, random(0x100000000))
  const f = bits.getFloat64(0)
  const texts = [String(f), f.toExponential(20), f.toPrecision(17), f.toExponential(16)]
  return Number.isFinite(f) ? pick(texts) : '0'
}))
addAll('random decimal', times(300, () => `${pick(['', '-'])}${1 + random(9)}${times(random(20), () => random(10)).join('')}${pick(['', `.${times(1 + random(20), () => random(10)).join('')}`])}${pick(['', '', `e${random(40) - 20}`, `E+${random(300)}`])}`))
addAll('random integer', times(100, () => String(BigInt(random(0x100000000)) * BigInt(random(0x100000000)) >> BigInt(random(40)))))
addAll('invalid number', '01 -01 00 -00 + +1 - -- -a .5 -.5 1. 1.e5 1e 1e+ 1e- 1E 1.2.3 1e1.5 1e1e1 0x10 0b1 0o7 1_000 1n NaN Infinity -Infinity 1a 1f ١'.split(' '))

// Objects.
const indexes = ['0', '1', '2', '10', '9', '00', '01', '-0', '-1', '+1', '1.0', '1e3', '4294967293', '4294967294', '4294967295', '4294967296', '9007199254740992', '99999999999', ' 1', '1 ', '', 'a', 'b',
  '\\u0031', '\\u00310', '__proto__', 'constructor', 'toJSON', 'length', 'é', '\\u00e9', '\\ud800', '\\ud800\\udc00', '𐀀', 'hasOwnProperty', '2147483647', '2147483648']
addAll('keys', [`{${indexes.map((k, i) => `"${k}":${i}`)}}`, `{${indexes.toReversed().map((k, i) => `"${k}":${i}`)}}`, '{"b":1,"4294967295":2,"4294967294":3}'])
addAll('two keys', indexes.flatMap(a => times(4, () => `{"${a}":1,"${pick(indexes)}":2}`)))
addAll('random keys', times(250, () => `{${times(random(14), i => `"${pick(indexes)}":${i}`)}}`))
addAll('many keys', times(12, n => `{${times(20 + 15 * n, i => `"${pick(['', 'k', '1'])}${random(60)}":${i}`)}}`))
addAll('prototype', ['{"__proto__":1}', '{"__proto__":null,"a":1}', '{"a":1,"__proto__":{"b":2},"c":3}', '{"__proto__":1,"x":2,"__proto__":3}', '{"\\u005f_proto__":[]}', '[{"__proto__":{"__proto__":1}}]'])
addAll('repeated keys', ['{"a":1,"b":2,"a":3}', '{"a":1,"\\u0061":2}', '{"":0,"":1}', '{"a":{"x":1},"a":{"y":2}}', '{"1":1,"a":2,"1":3,"0":4}', '{"a":[1,2],"b":0,"a":[]}', `{${times(300, i => `"x":${i}`)}}`])

// Structure.
addAll('structure', ['', ' ', '[]', '{}', '[[]]', '[{}]', '{"a":{}}', 'null', 'true', 'false', '""', '[null,true,false]', '[ 1 , 2 ]', '\t\r\n {"a" : [ ] }\n', '[1,2', '[1,,2]', '[,1]', '[1,]', '{"a":1,}', '{,}', '{"a"}',
  '{"a":}', '{"a":1', '{"a"', '{', '[', ']', '}', '[}', '{]', '[1}', '{"a":1]', '{a:1}', "{'a':1}", "'a'", '"a', 'a"', '1 2', '[] []', '{}{}', '[1] x', 'nul', 'nulll', 'True', 'tru', 'fals', 'undefined', '[1 2]', '{"a" 1}',
  '{"a":1 "b":2}', '{1:2}', '{null:1}', '//c\n1', '/**/1', '[1]//', '\ufeff1', '1\ufeff', '\u00a01', '\v1', '\f1', '1\u0000', '\u0000', '"\u0000"', '"\n"', '"\t"', '[\u2028]', '1;', '(1)', '`a`', '{"a":1:2}', '[1:2]', ':', ',', '"\\u2028":', '[""""]'])
addAll('nesting', [1, 2, 5, 33, 63, 64].flatMap(n => ['['.repeat(n) + ']'.repeat(n), '['.repeat(n) + '1' + ']'.repeat(n), '{"b":0,"1":'.repeat(n) + '"x"' + ',"0":2}'.repeat(n), '['.repeat(n) + ']'.repeat(n - 1)]))
const space = () => pick(['', '', ' ', '\n', '\t', '\r\n', '  '])
function value(depth) {
  const wrap = (open, list, close) => open + space() + list.map(x => x + space()).join(`,${space()}`) + close
  const key = () => `"${pick([pick(indexes), pick(pieces.filter(p => !/^["\\\t]$/.test(p))), String(random(30))])}"${space()}:${space()}`
  switch (random(depth > 0 ? 8 : 5)) {
    case 0: return pick(['null', 'true', 'false'])
    case 1: return String(random(1000) - 500)
    case 2: return (random(0x100000000) / (1 + random(1000)) * 10 ** (random(60) - 30)).toExponential(random(18))
    case 3: case 4: return `"${times(random(5), () => pick(pieces.filter(p => !/^["\\\t]$/.test(p)))).join('')}"`
    case 5: return wrap('[', times(random(5), () => value(depth - 1)), ']')
    default: return wrap('{', times(random(7), () => key() + value(depth - 1)), '}')
  }
}
const documents = times(250, () => space() + value(4) + space())
addAll('random text', documents)
addAll('damaged text', documents.slice(0, 200).map(text => {
  const at = random(text.length + 1)
  const edits = [text.slice(0, at), text.slice(0, at) + pick([...'{}[],:"\\0-.e \u0001']) + text.slice(at), text.slice(0, at) + text.slice(at + 1)]
  return Buffer.from(pick(edits))
}))

process.stdout.write(lines.join('\n') + '\n')
