// Runs at the end of the page, uses it as a person would and writes down what
// happened, and how many milliseconds each thing took.
{
  const out = {took: {}, did: {}};
  const time = (name, act) => { const start = performance.now(); act(); draw(); out.took[name] = performance.now() - start; };
  const pointer = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, {clientX: x, clientY: y, pointerId: 1, bubbles: true}));
  const click = (x, y) => { pointer("pointerdown", x, y); pointer("pointerup", x, y); };
  const key = k => canvas.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
  const at = b => [dx + (b.x + 20) * scale, dy + (b.y + height / 2) * scale];
  try {
    out.paint = performance.getEntriesByName("drawn")[0].startTime;
    out.paper = colours.paper;
    out.boxes = boxes.length; out.links = links.length; out.nodes = nodes.length; out.edges = edges.length;
    out.did.begins = lit !== null && lit.edges.size > 0;
    clear();
    const before = [dx, dy, scale];
    time("pan", () => { pointer("pointerdown", 300, 300); pointer("pointermove", 360, 340); pointer("pointerup", 360, 340); });
    out.did.pan = dx === before[0] + 60 && dy === before[1] + 40;
    time("zoom", () => canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -200, clientX: 300, clientY: 300, cancelable: true})));
    out.did.zoom = scale > before[2];
    key("0");
    const head = boxes.find(b => b.group !== undefined);
    if (head) {
      const k = head.group, count = boxes.length;
      time("fold", () => click(...at(head)));
      out.did.fold = boxes.length !== count;
      time("unfold", () => toggle(k));
      out.did.unfold = boxes.length === count;
    }
    time("unfold all", () => $("unfoldall").click());
    out.did.unfoldall = folded.size === 0 && boxes.length >= nodes.filter((n, i) => of[i] >= 0).length;
    time("pan unfolded", () => { dx -= 50; });
    time("zoom unfolded", () => zoom(1.5, 200, 200));
    time("fold all", () => $("foldall").click());
    const start = nodes.findIndex((n, i) => n.column === 0 && ways(i)(nodes.findIndex(n => n.column === 5)).length > 0);
    time("choose", () => show(start < 0 ? 0 : start));
    out.did.choose = lit.seen.size > 1 && $("title").textContent === nodes[chosen].name;
    const step = [...$("detail").querySelectorAll("ol li")].find(li => li.querySelector(".place"));
    out.did.evidence = Boolean(step);
    const way = [...$("detail").querySelectorAll("button")].find(b => b.textContent === "the whole cluster");
    if (way) {
      time("highlight", () => way.click());
      out.did.highlight = lit.edges.size > 0 && $("detail").textContent.includes("Fix: ") && $("title").textContent.includes("the whole cluster");
      out.way = $("detail").textContent;
    }
    key("0");
    const l = links.find(l => edges[l.edges[0]].step && edges[l.edges[0]].step.fix);
    if (l) {
      time("line", () => press({link: l}));
      out.did.line = $("detail").textContent.includes("Fix: ") && Boolean($("detail").querySelector(".place"));
      const back = l.b.x <= l.a.x;
      if (!back) {
        scale = 1; dx = 100 - l.a.x; dy = 400 - l.a.y;
        const x = dx + (l.a.x + width + l.b.x) / 2, y = dy + (l.a.y + l.b.y + height) / 2;
        out.did.hit = hit(x, y) !== null;
      }
    }
    const tallied = $("tally").textContent, boxesOf = $("changes").querySelectorAll("input");
    if (boxesOf.length) {
      time("toggle change", () => boxesOf.forEach(b => b.click()));
      out.did.toggle = $("tally").textContent !== tallied;
      boxesOf.forEach(b => b.click());
      out.did.toggled = $("tally").textContent === tallied;
    }
    time("maybe", () => $("maybe").click());
    $("maybe").click();
    time("find", () => { $("find").value = "app"; $("find").dispatchEvent(new Event("input")); });
    out.did.find = $("results").querySelectorAll("button, p").length > 0;
    clear();
    key("n");
    out.did.next = chosen !== null;
    key("ArrowLeft"); key("+"); key("-"); key("Escape");
    out.did.escape = chosen === null;
    canvas.focus();
    out.did.focus = document.activeElement === canvas;
    out.did.labels = [...document.querySelectorAll("button")].every(b => b.textContent.trim() !== "") && Boolean(canvas.getAttribute("aria-label"));
    out.did.alone = performance.getEntriesByType("resource").length === 0;
    out.hacked = Boolean(window.hacked) || document.querySelectorAll("aside b, aside img, aside script").length > 0;
    out.text = document.querySelector("aside").textContent.slice(0, 4000);
  } catch (err) {
    out.error = String(err) + "\n" + err.stack;
  }
  document.body.replaceChildren();
  document.body.textContent = "RESULT" + JSON.stringify(out).replace(/</g, "\\u003c").replace(/&/g, "\\u0026").replace(/>/g, "\\u003e") + "END";
}
