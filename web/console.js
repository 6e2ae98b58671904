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

async function send(method, path, body) {
    const answer = await fetch(`/api/v1/${path}`, {
        method,
        headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID(),
            ...(token ? { Authorization: `Bearer ${token}` } : {}) },
        body: body && JSON.stringify(body),
    });
    const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Problem(answer.status, told);
    return told;
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

// Whatever changes something is asked back first, with room for a reason.
function confirmed(title, what, yes, act) {
    const dialog = at("#confirm"), form = at("form", dialog);
    at("#confirm-title").textContent = title;
    at(".what", dialog).textContent = what;
    at(".yes", dialog).textContent = yes;
    at(".problem", dialog).textContent = "";
    form.reset();
    form.onsubmit = async (event) => {
        event.preventDefault();
        try {
            await act(new FormData(form).get("reason").trim());
            dialog.close();
            refresh();
            if (at("#device").open) openDevice(at("#device-title").textContent);
        } catch (error) {
            at(".problem", dialog).textContent = error.message;
        }
    };
    dialog.showModal();
}

const path = (...parts) => parts.map(encodeURIComponent).join("/");

// [label, what it does, path below the campaign, member that holds the reason]
const MOVES = {
    submit: ["Submit", "Hands the plan in for approval.", "reason"],
    approve: ["Approve", "Approves this very plan; any change of it voids that.", "note"],
    start: ["Start", "The first wave is offered the release.", "reason"],
    pause: ["Pause", "No new offers; what is under way goes on.", "reason"],
    resume: ["Resume", "Goes on. Failures so far are taken on and count no more.", "reason"],
    abort: ["Abort", "Ends it for good: no offers, running transfers are refused.", "reason"],
    pass: ["Pass", "The next wave may begin.", "reason"],
    hold: ["Hold", "The wave makes no offers and does not pass.", "reason"],
    reopen: ["Reopen", "The wave goes on.", "reason"],
};

function moveButton(campaign, move, wave) {
    const [label, what, member] = MOVES[move];
    const where = wave ? path("campaigns", campaign.id, "waves", wave.position, move)
        : path("campaigns", campaign.id, move);
    const title = `${label} ${wave ? `wave ${wave.position} of ` : ""}${campaign.name || campaign.id}?`;
    return make("button", { "data-move": move, onclick: () => confirmed(title, what, label, (reason) =>
        send("POST", where, {
            ...(reason ? { [member]: reason } : {}),
            ...(move === "approve" ? { plan_hash: campaign.plan_hash } : {}),
            ...(move === "resume" && campaign.paused_for === "budget" ? { accept_failures: true } : {}),
        })) }, label);
}

function campaignMoves(campaign) {
    const waits = campaign.approvals_needed > 0;
    return {
        draft: [waits ? "submit" : "start"], review: ["approve"], scheduled: ["start"], running: ["pause", "abort"],
        finishing: ["abort"], paused: ["resume", "abort"],
    }[campaign.state] || [];
}

function waveMoves(campaign, wave) {
    if (!["running", "paused"].includes(campaign.state)) return [];
    return { open: ["pass", "hold"], soaking: ["pass", "hold"], held: ["reopen", "pass"] }[wave.state] || [];
}

// What the sample can say: 1 says nothing.
const bound = ({ upper_bound }) => upper_bound < 1 ? `, at most ${Number((100 * upper_bound).toPrecision(2))} % fail` : "";

function waveSize(wave) {
    if (wave.kind === "count") return `${number(wave.amount)} devices`;
    if (wave.kind === "percent") return `to ${number(wave.amount)} %`;
    return `${wave.kind} ${wave.list ? wave.list.id : wave[wave.kind]}`;
}

function waveRow(campaign, wave) {
    const counts = wave.counts || {};
    const parts = KINDS.map(([kind, text, states]) =>
        [kind, states.reduce((sum, state) => sum + (counts[state] || 0), 0), text]);
    const known = parts.reduce((sum, [, count]) => sum + count, 0);
    const total = Math.max(wave.members || 0, known);
    parts.at(-1)[1] = total - known;
    const spoken = parts.filter(([, count]) => count).map(([, count, text]) => `${count} ${text}`).join(", ");
    const moves = waveMoves(campaign, wave);
    return make("div", { class: "wave" },
        make("span", {}, `Wave ${wave.position}: ${waveSize(wave)}`),
        bar(parts, total, spoken || "no device yet"),
        make("span", {}, make("span", { class: `state ${wave.state}` }, wave.state)),
        make("span", { class: "gate" }, `${number(wave.confirmed)} confirmed, ${number(wave.failed)} failed`
            + bound(wave) + (wave.gate_text && wave.gate_text !== wave.state ? `; ${wave.gate_text}` : "")),
        moves.length ? make("p", { class: "actions" }, ...moves.map((move) => moveButton(campaign, move, wave))) : null);
}

// What it would do if it were started now; its warnings name what the fleet's clients cannot do with it.
async function openPreview(campaign) {
    const { devices, matching, bytes, warnings } = await send("POST", "campaigns:preview", campaign.plan);
    at("#preview-title").textContent = `Preview of ${campaign.name || campaign.id}`;
    at("#preview .what").textContent =
        `${number(devices)} of ${number(matching)} matching devices, ${number(bytes)} bytes`;
    at("#preview .warnings").replaceChildren(...(warnings.length ? warnings.map((warning) =>
        make("li", { class: "needs" }, warning.text))
        : [make("li", { class: "empty" }, "No warnings.")]));
    at("#preview").showModal();
}

function previewButton(campaign) {
    return ["draft", "review", "scheduled"].includes(campaign.state)
        ? make("button", { "data-preview": campaign.id, onclick: () => openPreview(campaign) }, "Preview") : null;
}

function needs(campaign) {
    if (campaign.state === "review")
        return `${campaign.approvals_given} of ${campaign.approvals_needed} have approved plan ${campaign.plan_hash.slice(0, 12)}`;
    return campaign.state === "paused" ? `Paused for ${campaign.paused_for}: ${campaign.state_reason}` : campaign.state_reason;
}

function campaignCard(campaign) {
    return make("article", { class: "campaign" },
        make("header", {},
            make("strong", {}, campaign.name || campaign.id),
            make("span", { class: `state ${campaign.state}` }, campaign.state),
            campaign.kind === "update" ? null : make("span", { class: "state" }, campaign.kind),
            make("span", {}, campaign.release),
            campaign.channel ? make("span", {}, `channel ${campaign.channel}`) : null,
            make("code", {}, campaign.target)),
        needs(campaign) ? make("p", { class: "needs" }, needs(campaign)) : null,
        ...campaign.waves.map((wave) => waveRow(campaign, wave)),
        make("p", { class: "actions" }, ...[previewButton(campaign)].filter(Boolean),
            ...campaignMoves(campaign).map((move) => moveButton(campaign, move))));
}

async function showCampaigns() {
    const { items } = await get("campaigns", { limit: "20" });
    at("#campaigns .list").replaceChildren(...(items.length ? items.map(campaignCard)
        : [make("p", { class: "empty" }, "No campaign yet. `otactl campaign create` starts one.")]));
}

async function showHalt() {
    const halt = await get("emergency-stop");
    at("#halt").hidden = !halt.stopped;
    at("#stop").hidden = halt.stopped;
    at("#halt span").textContent = halt.stopped ? `${halt.reason} (${halt.by}, ${halt.at})` : "";
}

at("#stop").addEventListener("click", () => confirmed("Stop everything?",
    "Nobody is offered or sent anything; running transfers are cut.", "Stop everything",
    (reason) => send("PUT", "emergency-stop", { reason })));
at("#halt button").addEventListener("click", () => confirmed("Lift the emergency stop?",
    "Everything goes on; what was cut is offered again.", "Lift it", () => send("DELETE", "emergency-stop")));
at("#confirm .no").addEventListener("click", () => at("#confirm").close());

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
        make("td", {}, client(device)))));
    at("#devices .first").disabled = !page.after;
    at("#devices .next").disabled = !list.next;
    at("#devices .next").dataset.after = list.next || "";
}

// Its name and version where the User-Agent tells them.
const client = ({ client }) => client ? [client.name || client.agent, client.version].filter(Boolean).join(" ") : "";

function fact(name, value) {
    return value === undefined || value === null || value === "" ? []
        : [make("dt", {}, name), make("dd", {}, String(value))];
}

function steering({ pin, channel, zone }) {
    const until = (at) => at ? ` until ${at}` : "";
    return [
        ...(pin ? fact("Pin", [`${pin.release || "held: gets nothing"}${until(pin.expires_at)}`,
            pin.install === "forced" ? "" : pin.install, pin.consent ? "with consent" : "", pin.reason]
            .filter(Boolean).join(", ")) : []),
        ...(channel ? fact("Channel", `${channel.channel}${until(channel.until)}`) : []),
        ...fact("Zone", zone)];
}

// [label, what it does, path below the deployment, what is asked]
const WORDS = {
    cancel: ["Cancel", "The device is asked to stop; it may have gone too far.", "cancel", {}],
    force: ["Force quit", "It is over at once, whatever the device says; its transfers are cut.", "cancel", { force: true }],
    agree: ["Consent", "In the place of the person at the device: it may fetch and install.", "consent", { given: true }],
    deny: ["Deny", "It is offered on, and waits.", "consent", { given: false }],
};
const UNDER_WAY = ["offered", "downloading", "downloaded", "waiting", "installing", "verifying"];

function deploymentWords({ state, consent, is_cancelling }) {
    if (!UNDER_WAY.includes(state)) return [];
    return [...(consent === "required" ? ["agree", "deny"] : []), ...(is_cancelling ? [] : ["cancel"]), "force"];
}

function wordButton(deployment, word) {
    const [label, what, verb, body] = WORDS[word];
    return make("button", { "data-word": word, onclick: () => confirmed(`${label}: ${deployment.release}?`, what, label,
        (reason) => send("POST", path("devices", deployment.device, "deployments", deployment.id, verb),
            { ...body, ...(reason ? { reason } : {}) })) }, label);
}

function reportText({ told }) {
    const progress = told.progress ? `${told.progress.count} of ${told.progress.of}` : "";
    return [told.status, told.execution, told.finished === "none" ? "" : told.finished, told.code, progress,
        ...(told.details || [])].filter((part) => part !== undefined && part !== "").join("\n");
}

function deploymentRow(deployment, reports) {
    const state = deployment.is_cancelling ? `${deployment.state}, to be stopped` : deployment.state;
    return make("article", { class: "deployment" },
        make("header", {}, make("strong", {}, deployment.id), make("span", {}, deployment.release),
            make("span", { class: `state ${deployment.state}` }, state), make("span", {}, deployment.campaign),
            deployment.consent === "none" ? null : make("span", {}, `consent ${deployment.consent}`),
            deployment.held_until ? make("span", {}, `held until ${deployment.held_until}`) : null,
            when(deployment.state_at)),
        make("ul", { class: "reports" }, ...reports.map((report) =>
            make("li", {}, when(report.at), make("pre", {}, reportText(report))))),
        make("p", { class: "actions" }, ...deploymentWords(deployment).map((word) => wordButton(deployment, word))));
}

async function deploymentRows(base) {
    const { items } = await get(`${base}/deployments`, { limit: "5" });
    return Promise.all(items.map(async (deployment) => deploymentRow(deployment,
        (await get(`${base}/deployments/${path(deployment.id)}/reports`, { limit: "3" })).items)));
}

async function openDevice(id) {
    const base = path("devices", id);
    const [device, explain, timeline, deployments] = await Promise.all(
        [get(base), get(`${base}/explain`), get(`${base}/timeline`, { limit: "50" }), deploymentRows(base)]);
    at("#device-title").textContent = device.id;
    at("#device .facts").replaceChildren(
        ...fact("State", device.state), ...fact("Model", device.model), ...fact("Hardware", device.hardware),
        ...fact("Site", device.site), ...steering(device), ...fact("Version", device.version), ...fact("Boot id", device.boot_id),
        ...fact("Security floor", device.floor), ...fact("Client", client(device)), ...fact("Address", device.address),
        ...fact("Tags", (device.tags || []).join(", ")),
        ...(device.certificates || []).flatMap((one) =>
            fact("Certificate", `${one.fingerprint} (${one.state}, until ${one.not_after})`)),
        ...Object.entries(device.attributes || {}).flatMap(([name, value]) => fact(name, value)));
    at("#device .answer").textContent = explain.answer.text;
    at("#device .explain").replaceChildren(...explain.steps.map((step) =>
        make("li", {}, [step.campaign, step.release, step.text].filter(Boolean).join(": "))));
    at("#device .deployments").replaceChildren(...(deployments.length ? deployments
        : [make("p", { class: "empty" }, "Nothing was deployed to it yet.")]));
    at("#device .timeline").replaceChildren(...timeline.items.map((event) => make("tr", {},
        make("td", {}, when(event.at)),
        make("td", {}, event.kind),
        make("td", {}, [event.from, event.to].filter(Boolean).join(" → ")),
        make("td", { class: "wide" }, event.detail || ""))));
    if (!at("#device").open) at("#device").showModal();
}

// ---------------------------------------------------------------- the page

async function refresh() {
    try {
        const server = await get("server");
        await Promise.all([showHalt(), showFleet(), showCampaigns(), showDevices()]);
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
    if (needed) at("#stop").hidden = true;
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
