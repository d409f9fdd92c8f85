"use strict";
// Sorting, filtering and the record of each number. The page can be read without any of it.
(() => {
  const data = JSON.parse(document.getElementById("records").textContent);
  const html = document.documentElement;
  html.classList.add("js");

  // --- small helpers: text is only ever set as text -------------------------------------------------------------
  const el = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const six = (value) => {
    if (value === null || value === undefined || value === "") return "–";
    if (Array.isArray(value)) return `[${value.map(six).join(", ")}]`;
    if (typeof value !== "number") return String(value);
    return (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)))).replace("-", "−");
  };
  const pairs = (rows) => {
    const list = el("dl", { className: "pairs" });
    for (const [name, value] of rows) if (value !== null && value !== undefined && value !== "")
      list.append(el("dt", {}, name), el("dd", {}, ...(Array.isArray(value) ? value : [value])));
    return list;
  };
  const hash = (text) => el("span", { className: "hash" }, text || "–");
  const command = (text) => {
    const button = el("button", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
      catch { const range = document.createRange(); range.selectNodeContents(pre); getSelection().removeAllRanges(); getSelection().addRange(range); button.textContent = "Selected"; }
    });
    const pre = el("pre", {}, text);
    return el("div", { className: "cmd" }, pre, button);
  };
  const marks = { good: "✓", bad: "≠", lost: "!", open: "?", scaled: "◇", plain: "·", none: "–" };
  const chip = (word, tone) => el("span", { className: `chip ${tone}` }, el("i", { ariaHidden: "true" }, marks[tone]), word);

  const remember = (text) => { // a page inside another one may have no address of its own
    try { history.replaceState(null, "", text || location.pathname + location.search); } catch (error) { if (error.name !== "SecurityError") throw error; }
  };

  // --- the audit record -------------------------------------------------------------------------------------------
  const dialog = document.getElementById("audit");
  const title = document.getElementById("audit-title");
  const body = dialog.querySelector(".audit-body");
  const aliases = Object.fromEntries(Object.entries(data.cells).map(([address, cell]) => [cell.alias, address]));
  let opener = null;

  const headline = (cell) => {
    const value = el("b", {}, cell.value === null ? (cell.problem || "no value of ours") : six(cell.value));
    const spread = cell.se === null ? "" : el("span", {}, `s.e. ${six(cell.se)}`);
    const seeds = el("span", {}, `n ${cell.n} of ${cell.expected}`);
    return el("p", { className: "big" }, value, spread, seeds, chip(cell.word, cell.tone));
  };
  const comparison = (cell) => [
    ["Paper", cell.paper === null ? "prints no such number" : `${six(cell.paper)}${cell.paper_se === null ? "" : ` (s.e. ${six(cell.paper_se)})`}`],
    ["Difference", cell.difference === null ? "" : six(cell.difference)],
    ["95 % CI of it", cell.interval ? `${six(cell.interval[0])} to ${six(cell.interval[1])}` : ""],
    ["Why", cell.why],
  ];
  const runCard = ([folder, value, pointer, sha]) => {
    const run = data.runs[folder];
    const cost = run.cost || {};
    const time = cost.wall_s === undefined ? "" : `${six(Math.round(cost.wall_s))} s wall, ${six(Math.round(cost.cpu_s))} s CPU${cost.gpu_s ? `, ${six(Math.round(cost.gpu_s))} s GPU` : ""}, ${six(cost.peak_mb)} MB`;
    return el("div", { className: "runcard" }, pairs([
      ["Seed", six(run.seed)],
      ["Value", `${six(value)}  (at ${pointer} of its metrics)`],
      ["Run", [`${folder}  `, hash(run.run_id)]],
      ["Checkpoint", run.checkpoint ? `epoch ${run.checkpoint.epoch}` : ""],
      ["Weights", Object.entries(run.weights).flatMap(([name, digest]) => [`${name}  `, hash(digest), el("br")])],
      ["Metrics", [hash(sha)]],
      ["Trained", `${run.start ?? "–"} to ${run.stop ?? "–"} on ${run.on}, host ${run.host}${run.resumed ? `, resumed ${run.resumed} times` : ""}`],
      ["Cost", time],
      ["Code", run.git ? `git ${run.git.revision}${run.git.dirty ? ", with uncommitted changes" : ""}` : "no git"],
    ]));
  };
  const settings = (row) => {
    const params = data.params[row.params] || {};
    const inner = pairs(Object.entries(params).map(([key, value]) => [key, six(value)]));
    const same = row.params_differ.length ? `NOT the same for all seeds: ${row.params_differ.join(", ")}` : "the same for all seeds";
    const near = row.near ? `Beside ${row.near.row}, ${row.near.differs.length} differ: ${row.near.differs.map((d) => `${d.key} ${six(d.there)} → ${six(d.here)}`).join("; ")}` : "";
    return [el("p", {}, `${Object.keys(params).length} resolved, ${same}. ${near}`), el("details", {}, el("summary", {}, "All parameters"), inner)];
  };
  const origin = (row) => {
    const code = data.code[row.code], env = data.environment[row.environment];
    const torch = env && env.torch || {};
    const folders = row.data.map((folder) => [folder, [hash(data.data[folder].content), ` ${data.data[folder].files} files`]]);
    return pairs([
      ...folders,
      ["Code digest", code ? [hash(code.digest), ` ${code.modules} modules`] : ""],
      ["Git", code && code.git.length ? code.git.join("; ") : ""],
      ["Changed since", code && code.changed_since.length ? code.changed_since.join(", ") : ""],
      ["Environment", env ? [hash(env.digest)] : ""],
      ["", env ? `Python ${env.python}, ${Object.entries(env.libraries).map(([name, version]) => `${name} ${version}`).join(", ")}` : ""],
      ["On", env ? `${env.processor}, ${env.platform}, CUDA ${torch.cuda ?? "none"}, ${torch.threads ?? "–"} threads, deterministic ${torch.deterministic ? "on" : "off"}` : ""],
      ["Lock file", env && env.lock_sha256 ? [hash(env.lock_sha256)] : ""],
    ]);
  };
  const show = (address) => {
    const cell = data.cells[address];
    if (!cell) return false;
    const row = data.rows[cell.row];
    title.textContent = address;
    const parts = [headline(cell), pairs(comparison(cell))];
    const lost = [["failed", "FAILED"], ["missing", "Missing"]].filter(([key]) => cell[key].length);
    parts.push(el("h3", {}, "Runs"), el("p", {}, `${cell.aggregate} over ${cell.n} of ${cell.expected} runs of ${cell.dataset}${lost.map(([key, word]) => `. ${word} seeds: ${cell[key].join(", ")}`).join("")}`));
    parts.push(...cell.runs.map(runCard));
    if (cell.runs.length) parts.push(el("h3", {}, "Parameters"), ...settings(row), el("h3", {}, "Data, code, environment"), origin(row));
    if (cell.notes.length) parts.push(el("h3", {}, "Differs from the paper or the defaults"), el("ul", {}, ...cell.notes.map((index) => el("li", {}, data.notes[index]))));
    parts.push(el("h3", {}, "Ask, verify, rebuild"), command(`cmivae audit ${cell.alias}`), command(`cmivae verify ${cell.alias} --level L3`), command(row.rebuild));
    body.replaceChildren(...parts);
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
    title.focus();
    remember(`#audit:${cell.alias}`);
    return true;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-cell]");
    if (button) { opener = button; show(button.dataset.cell); }
    else if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
  dialog.addEventListener("close", () => {
    remember("");
    if (opener) opener.focus();
    opener = null;
  });
  const fromAddress = () => {
    const wanted = decodeURIComponent(location.hash).match(/^#audit:(.+)$/);
    if (wanted) show(aliases[wanted[1]] || wanted[1]);
  };
  addEventListener("hashchange", fromAddress);

  // --- tables: sort and filter ----------------------------------------------------------------------------------------
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  const sortBy = (table, column, head) => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row, place) => ({ row, place, value: key(row, column) }));
    rows.sort((a, b) => {
      const empty = (a.value === "") - (b.value === ""); // what has no value stays at the end either way
      return empty || (ascending ? 1 : -1) * compare(a.value, b.value) || a.place - b.place;
    });
    table.tBodies[0].append(...rows.map((each) => each.row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = el("button", { type: "button", className: "sort", title: `Sort by ${head.textContent}` }, ...head.childNodes);
      button.addEventListener("click", () => sortBy(table, column, head));
      head.append(button);
    });
  }
  const words = (row) => `${row.textContent} ${[...row.querySelectorAll("[data-cell]")].map((each) => each.dataset.cell).join(" ")} ${[...row.querySelectorAll("[data-words]")].map((each) => each.dataset.words).join(" ")}`.toLowerCase();
  for (const article of document.querySelectorAll("article.table")) {
    const tools = article.querySelector(".tools"), input = tools.querySelector("input"), output = tools.querySelector("output");
    tools.hidden = false;
    const filter = () => {
      const wanted = input.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
      const rows = [...article.querySelectorAll(`.view[data-view="${article.dataset.view}"] tbody tr`)];
      let left = 0;
      for (const row of rows) {
        const text = words(row);
        row.hidden = !wanted.every((word) => text.includes(word));
        left += !row.hidden;
      }
      output.textContent = wanted.length ? `${left} of ${rows.length} rows` : `${rows.length} rows`;
    };
    input.addEventListener("input", filter);
    for (const button of tools.querySelectorAll("[data-show]")) button.addEventListener("click", () => {
      article.dataset.view = button.dataset.show;
      for (const other of tools.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", String(other === button));
      filter();
    });
    filter();
  }

  // --- where the reader is, one sound at a time, and all open on paper -------------------------------------------------
  const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const top = [...links.keys()].filter((id) => seen.has(id) && !id.startsWith("table-")).pop();
    for (const [id, link] of links) {
      if (id === top || (seen.has(id) && top === "tables")) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) { const target = document.getElementById(id); if (target) watch.observe(target); }
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);
  const closed = [];
  addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("main details.print:not([open])")) { each.open = true; closed.push(each); } });
  addEventListener("afterprint", () => { while (closed.length) closed.pop().open = false; });
  fromAddress();
})();
