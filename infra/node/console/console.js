// The console: state, records, templates, creators and the ledger of one node, all
// from its public API. Whatever comes from a record is put on the page as text,
// never as HTML.

import { Follower } from "./follow.js";
import { highlight } from "./json.js";

const pageSize = 20;
const pollEvery = 5000; // milliseconds

const byId = (id) => document.getElementById(id);

// element makes an element with children: texts or other elements.
function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") e.addEventListener("click", value);
    else e.setAttribute(key, value);
  }
  e.append(...children.map((c) => (c instanceof Node ? c : String(c ?? ""))));
  return e;
}

// ask gets JSON from the API. The API's own message is the error's.
async function ask(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(query ? `${path}?${query}` : path, { headers: { Accept: "application/json" } });
  // What stands between page and node answers in its own way, such as a proxy with HTML.
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) throw new Error(answer?.error ?? `status ${response.status} for ${path}`);
  return answer;
}

const grouped = new Intl.NumberFormat("en");
const number = (n) => (n === null || n === undefined ? "–" : grouped.format(n));

// day is a unix time in seconds as a date.
function day(seconds) {
  const date = new Date(Number(seconds) * 1000);
  return seconds && !Number.isNaN(date.valueOf()) ? date.toISOString().slice(0, 10) : "";
}

function ago(time) {
  if (!time) return "never";
  const seconds = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

// host is a gateway's name without the scheme.
const host = (url) => (url ? url.replace(/^https?:\/\//, "") : "the gateway");

// figures fills a list of terms and values.
function figures(list, pairs) {
  list.replaceChildren(...pairs.map(([term, value]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, value))));
}

const cell = (className, ...children) => element("td", className ? { class: className } : {}, ...children);

// rows fills a table, or says that it is empty.
function rows(body, list, columns, empty) {
  body.replaceChildren(...list);
  if (list.length === 0) body.append(element("tr", {}, element("td", { colspan: columns, class: "note" }, empty)));
}

// opener is a button that shows a document.
function opener(label, path, parameters, pick) {
  return element("button", { onclick: () => show(label, path, parameters, pick) }, label);
}

// show opens a document. pick finds it in the answer.
async function show(label, path, parameters, pick) {
  byId("viewer-title").textContent = label;
  byId("viewer-link").href = `${path}?${new URLSearchParams(parameters)}`;
  byId("viewer-text").textContent = "…";
  open();
  try {
    byId("viewer-text").replaceChildren(highlight(pick(await ask(path, parameters))));
  } catch (error) {
    byId("viewer-text").textContent = `This could not be read: ${error.message}`;
  }
}

// showState shows how the index is doing.
function showState(health) {
  const last = health.lastCycle;
  const state = byId("state");
  state.className = health.status === "failing" ? "bad" : health.lagBlocks > 0 ? "busy" : "";
  if (health.status === "failing") state.textContent = `The last cycle failed: ${last.error}`;
  else if (health.cycles === 0 && health.checkpoint === 0) state.textContent = "The first cycle has not ended yet.";
  else if (health.lagBlocks > 0) state.textContent = `Catching up with ${host(last?.gateway)}: ${health.indexingProgress} of the blocks are indexed.`;
  else state.textContent = `Up to date with ${host(last?.gateway)}.`;
  byId("bar").hidden = health.lagBlocks === 0;
  byId("bar").value = Number.parseInt(health.indexingProgress, 10) || 0;
  const heard = health.gatewayHeight > 0; // before that, nobody knows how far the index is behind
  figures(byId("figures"), [
    ["Indexed up to block", number(health.checkpoint || null)],
    ["Gateway's block", number(heard ? health.gatewayHeight : null)],
    ["Behind", heard ? `${number(health.lagBlocks)} ${health.lagBlocks === 1 ? "block" : "blocks"}` : "–"],
    ["Cycles", number(health.cycles)],
    ["Last good cycle", ago(health.lastGoodCycle)],
  ]);
  const counts = Object.entries(health.ledger).sort();
  figures(byId("ledger-counts"), counts.length ? counts.map(([name, n]) => [name.replace(":", ": ").replaceAll("_", " "), number(n)]) : [["Ledger", "empty"]]);
}

function rejectedRow(r) {
  return element("tr", {},
    cell("", element("code", {}, r.id)), cell("nowrap", r.reason.replaceAll("_", " ")),
    cell("text", r.detail), cell("number", number(r.height)));
}

let rejectedNext = null;

async function moreRejected() {
  const answer = await ask("/api/health/keepdb", { rejectedLimit: 20, rejectedAfter: rejectedNext ?? "" });
  const list = answer.rejected.map(rejectedRow);
  if (rejectedNext === null) rows(byId("rejected-rows"), list, 4, "Nothing was rejected.");
  else byId("rejected-rows").append(...list);
  rejectedNext = answer.rejectedNext;
  byId("more-rejected").hidden = rejectedNext === null;
}

// The record browser: a type, and the cursors of the pages before the present one.
const browser = { type: "", cursors: [""], next: null };

function recordRow(record) {
  const { data, oip } = record;
  const name = data?.basic?.name || oip.did;
  return element("tr", {},
    cell("", opener(name, "/api/records", { did: oip.did }, (a) => a.records[0])),
    cell("nowrap", oip.recordType), cell("nowrap", oip.creator?.creatorHandle),
    cell("nowrap", day(data?.basic?.date)), cell("number", number(oip.inArweaveBlock)));
}

async function showRecords() {
  const parameters = { limit: pageSize, includeSigs: false, includePubKeys: false };
  if (browser.type) parameters.recordType = browser.type;
  const cursor = browser.cursors.at(-1);
  if (cursor) parameters.cursor = cursor;
  const answer = await ask("/api/records", parameters);
  browser.next = answer.nextCursor;
  rows(byId("record-rows"), answer.records.map(recordRow), 5, "Nothing is indexed yet.");
  const first = (browser.cursors.length - 1) * pageSize;
  byId("found").textContent = answer.records.length
    ? `${number(first + 1)} to ${number(first + answer.records.length)} of ${number(answer.searchResults)}, newest first`
    : "";
  byId("earlier").disabled = browser.cursors.length === 1;
  byId("later").disabled = !browser.next;
}

async function showTypes() {
  const answer = await ask("/api/records/recordTypes");
  const all = [{ recordType: "", count: answer.totalRecords }, ...answer.recordTypes];
  byId("types").replaceChildren(...all.map(({ recordType, count }) =>
    element("button", { "aria-pressed": String(recordType === browser.type), onclick: () => choose(recordType) },
      recordType || "all", element("span", { class: "count" }, number(count)))));
}

async function choose(type) {
  Object.assign(browser, { type, cursors: [""] });
  for (const chip of byId("types").children) {
    chip.setAttribute("aria-pressed", String((chip.firstChild.textContent || "") === (type || "all")));
  }
  await attempt(showRecords);
}

async function showTemplates() {
  const answer = await ask("/api/templates", { limit: 1000 });
  rows(byId("template-rows"), answer.templates.map(({ data, oip }) => element("tr", {},
    cell("", opener(data.template, "/api/templates", { didTx: oip.did }, (a) => a.templates[0])),
    cell("number", number(data.fieldsInTemplateCount)), cell("nowrap", oip.creator?.creatorHandle),
    cell("", element("code", {}, data.TxId)), cell("number", number(oip.inArweaveBlock)))), 5, "There is no template yet.");
}

async function showCreators() {
  const [people, groups] = await Promise.all([ask("/api/creators", { limit: 1000 }), ask("/api/organizations", { limit: 1000 })]);
  const row = (d, handle) => element("tr", {},
    cell("nowrap", element("button", { onclick: () => showDocument(handle, d) }, handle)),
    cell("", d.data.name), cell("text", d.data.description), cell("number", number(d.oip.inArweaveBlock)));
  rows(byId("creator-rows"), [
    ...groups.organizations.map((d) => row(d, d.data.orgHandle)),
    ...people.creators.map((d) => row(d, d.data.creatorHandle)),
  ], 4, "Nobody has registered yet.");
}

// showDocument opens a document that is here already.
function showDocument(label, document) {
  byId("viewer-title").textContent = label;
  byId("viewer-link").href = document.oip.recordType === "organization" ? "/api/organizations" : "/api/creators";
  byId("viewer-text").replaceChildren(highlight(document));
  open();
}

// open shows the viewer with the keyboard on its text, so that it scrolls at once.
function open() {
  if (!byId("viewer").open) byId("viewer").showModal();
  byId("viewer-text").focus();
}

const follower = new Follower();

// attempt does one thing and tells when it failed; the next poll tries again.
async function attempt(job) {
  try {
    await job();
  } catch (error) {
    follower.failed();
    byId("state").className = "bad";
    byId("state").textContent = `The node does not answer: ${error.message}`;
  }
}

const panels = { records: showRecords, templates: showTemplates, creators: showCreators, ledger: async () => { rejectedNext = null; await moreRejected(); } };

// select shows one of the tabs, as the address says; the arrow keys move between them.
function select(name, focus = false) {
  for (const tab of byId("tabs").children) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  attempt(panels[name]);
}

const named = () => (location.hash.slice(1) in panels ? location.hash.slice(1) : "records");

function listen() {
  const names = Object.keys(panels);
  for (const tab of byId("tabs").children) {
    tab.addEventListener("click", () => { history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`); select(named()); });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = names[(names.indexOf(named()) + step + names.length) % names.length];
      history.replaceState(null, "", `#${next}`);
      select(next, true);
    });
  }
  window.addEventListener("hashchange", () => select(named()));
  byId("later").addEventListener("click", () => { browser.cursors.push(browser.next); attempt(showRecords); });
  byId("earlier").addEventListener("click", () => { browser.cursors.pop(); attempt(showRecords); });
  byId("more-rejected").addEventListener("click", () => attempt(moreRejected));
  byId("viewer-close").addEventListener("click", () => byId("viewer").close());
}

// poll follows the node. Lists are asked for again only when a cycle changed
// something and the first page is shown, so that nothing moves under a reader; and
// after a failure, since what should be shown then is not.
async function poll() {
  if (document.hidden) return;
  await attempt(async () => {
    const health = await ask("/api/health/keepdb", { rejectedLimit: 1 });
    showState(health);
    const now = `${health.checkpoint} ${health.lastCycle?.started} ${JSON.stringify(health.ledger)}`;
    const news = follower.news(now);
    if (!news) return;
    if (news.must || (!news.first && (named() !== "records" || browser.cursors.length === 1))) await panels[named()]();
    await showTypes();
  });
}

listen();
select(named());
poll();
setInterval(poll, pollEvery);
document.addEventListener("visibilitychange", poll);
