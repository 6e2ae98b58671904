// SPDX-License-Identifier: Apache-2.0
// The console's first page: one more client of /api/v1. Text from the server only ever becomes text
// nodes, so nothing a device reports can become markup.

const REFRESH_MS = 3000;
const PAGE = 50;

// What a wave's bar shows, from done to not yet; each kind takes several deployment states.
const KINDS = [
    ["confirmed", "confirmed", ["confirmed", "already"]],
    ["verifying", "verifying", ["verifying"]],
    ["installing", "installing", ["installing"]],
    ["downloading", "downloading", ["downloading", "downloaded", "waiting"]],
    ["offered", "offered", ["offered"]],
    ["failed", "failed", ["failed", "reverted", "lost", "timed_out"]],
    ["rest", "not yet", []],
];

const at = (selector, from = document) => from.querySelector(selector);
let token = null;

class Problem extends Error {
    constructor(status, document) {
        super(document.detail || document.title || `the server answered ${status}`);
        this.status = status;
    }
}

async function get(path, parameters = {}) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
    const answer = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, {
        headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Problem(answer.status, body);
    return body;
}

function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name === "class") element.className = value;
        else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

function when(text) {
    if (!text) return make("span", { class: "empty" }, "never");
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(text)) / 1000));
    const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const [unit, name] = steps.find(([size]) => seconds >= size) || [1, "s"];
    return make("time", { datetime: text, title: `${text} (${new Date(text).toLocaleString()})` },
        `${Math.floor(seconds / unit)} ${name} ago`);
}

const number = (value) => Number(value || 0).toLocaleString("en");

function bar(parts, total, label) {
    const element = make("div", { class: "bar", role: "img", "aria-label": label });
    for (const [kind, count, text] of parts) {
        if (!count) continue;
        const part = make("span", { class: kind, title: `${text}: ${number(count)}` });
        part.style.width = `${(100 * count) / Math.max(total, 1)}%`;
        element.append(part);
    }
    return element;
}

// ---------------------------------------------------------------- fleet

async function showFleet() {
    const fleet = await get("fleet/versions");
    const figures = [["devices", fleet.total], ["seen in 24 h", fleet.seen_24h], ["versions", fleet.items.length]];
    at("#fleet .numbers").replaceChildren(...figures.map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, number(value)))));
    const rows = fleet.items.map(({ model, version, count }) => make("div", { class: "bar-row" },
        make("span", {}, `${model || "no model"} ${version || "version unknown"}`),
        bar([["plain", count, "devices"]], fleet.total, `${number(count)} of ${number(fleet.total)} devices`),
        make("span", {}, number(count))));
    at("#fleet .versions").replaceChildren(...(rows.length ? rows
        : [make("p", { class: "empty" }, "No device yet. `otactl device issue ID --model M --out DIR` makes one.")]));
}

// ---------------------------------------------------------------- campaigns

function waveRow(wave) {
    const counts = wave.counts || {};
    const parts = KINDS.map(([kind, text, states]) =>
        [kind, states.reduce((sum, state) => sum + (counts[state] || 0), 0), text]);
    const known = parts.reduce((sum, [, count]) => sum + count, 0);
    const total = Math.max(wave.members || 0, known);
    parts.at(-1)[1] = total - known;
    const size = wave.kind === "count" ? `${number(wave.amount)} devices` : `to ${number(wave.amount)} %`;
    const spoken = parts.filter(([, count]) => count).map(([, count, text]) => `${count} ${text}`).join(", ");
    return make("div", { class: "wave" },
        make("span", {}, `Wave ${wave.position}: ${size}`),
        bar(parts, total, spoken || "no device yet"),
        make("span", {}, make("span", { class: `state ${wave.state}` }, wave.state)),
        make("span", { class: "gate" }, wave.gate_text === wave.state ? "" : wave.gate_text || ""));
}

async function showCampaigns() {
    const { items } = await get("campaigns", { limit: "20" });
    const whole = await Promise.all(items.map((campaign) =>
        campaign.waves ? campaign : get(`campaigns/${encodeURIComponent(campaign.id)}`)));
    at("#campaigns .list").replaceChildren(...(whole.length ? whole.map((campaign) =>
        make("article", { class: "campaign" },
            make("header", {},
                make("strong", {}, campaign.name || campaign.id),
                make("span", { class: `state ${campaign.state}` }, campaign.state),
                make("span", {}, campaign.release),
                make("code", {}, campaign.target),
                campaign.state_reason ? make("span", {}, campaign.state_reason) : null),
            ...campaign.waves.map(waveRow)))
        : [make("p", { class: "empty" }, "No campaign yet. `otactl campaign create` starts one.")]));
}

// ---------------------------------------------------------------- devices

const page = { filter: "", state: "", after: "" };

async function showDevices() {
    const problem = at("#devices .problem");
    let list;
    try {
        list = await get("devices", { ...page, limit: String(PAGE) });
        problem.textContent = "";
    } catch (error) {
        if (!(error instanceof Problem) || error.status === 401) throw error;
        problem.textContent = error.message; // a filter that cannot be read: the list stays
        return;
    }
    at("#devices tbody").replaceChildren(...list.items.map((device) => make("tr", {},
        make("td", {}, make("button", { class: "link", onclick: () => openDevice(device.id) }, device.id)),
        make("td", {}, make("span", { class: `state ${device.state}` }, device.state)),
        make("td", {}, device.model || ""),
        make("td", {}, device.version || "unknown"),
        make("td", {}, when(device.seen_at)),
        make("td", {}, device.client || ""))));
    at("#devices .first").disabled = !page.after;
    at("#devices .next").disabled = !list.next;
    at("#devices .next").dataset.after = list.next || "";
}

function fact(name, value) {
    return value === undefined || value === null || value === "" ? []
        : [make("dt", {}, name), make("dd", {}, String(value))];
}

async function openDevice(id) {
    const path = `devices/${encodeURIComponent(id)}`;
    const [device, explain, timeline] = await Promise.all(
        [get(path), get(`${path}/explain`), get(`${path}/timeline`, { limit: "50" })]);
    at("#device-title").textContent = device.id;
    at("#device .facts").replaceChildren(
        ...fact("State", device.state), ...fact("Model", device.model), ...fact("Hardware", device.hardware),
        ...fact("Site", device.site), ...fact("Version", device.version), ...fact("Boot id", device.boot_id),
        ...fact("Security floor", device.floor), ...fact("Address", device.address),
        ...fact("Tags", (device.tags || []).join(", ")),
        ...(device.certificates || []).flatMap((one) =>
            fact("Certificate", `${one.fingerprint} (${one.state}, until ${one.not_after})`)),
        ...Object.entries(device.attributes || {}).flatMap(([name, value]) => fact(name, value)));
    at("#device .explain").replaceChildren(...(explain.reasons || explain.steps || []).map((reason) =>
        make("li", {}, reason.text || reason.code)));
    at("#device .timeline").replaceChildren(...timeline.items.map((event) => make("tr", {},
        make("td", {}, when(event.at)),
        make("td", {}, event.kind),
        make("td", {}, [event.from, event.to].filter(Boolean).join(" → ")),
        make("td", { class: "wide" }, event.detail || ""))));
    at("#device").showModal();
}

// ---------------------------------------------------------------- the page

async function refresh() {
    try {
        const server = await get("server");
        await Promise.all([showFleet(), showCampaigns(), showDevices()]);
        at("#server").textContent = `version ${server.version}, up since ${server.started_at}`;
        showLogin(false);
    } catch (error) {
        if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
            showLogin(true, token ? error.message : "");
            token = null;
        }
        at("#server").textContent = error instanceof Problem ? error.message : "the server cannot be reached";
    }
}

function showLogin(needed, message = "") {
    at("#login").hidden = !needed;
    for (const section of document.querySelectorAll("section")) section.hidden = needed;
    at("#login .problem").textContent = message;
}

at("#login").addEventListener("submit", (event) => {
    event.preventDefault();
    token = new FormData(event.target).get("token").trim();
    event.target.reset();
    refresh();
});
at("#devices .filter").addEventListener("submit", (event) => {
    event.preventDefault();
    Object.assign(page, Object.fromEntries(new FormData(event.target)), { after: "" });
    refresh();
});
at("#devices .first").addEventListener("click", () => { page.after = ""; refresh(); });
at("#devices .next").addEventListener("click", (event) => { page.after = event.target.dataset.after; refresh(); });
at("#campaigns .legend").append(...KINDS.map(([kind, text]) =>
    make("li", {}, make("span", { class: kind }), text)));

refresh();
setInterval(() => { if (!document.hidden && at("#login").hidden) refresh(); }, REFRESH_MS);
