"use strict";
(() => {
  const root = document.documentElement;

  // language: the page carries both; one attribute chooses
  const show = (language) => {
    root.lang = language;
    const short = language.startsWith("zh") ? "zh" : "en";
    const title = document.querySelector("title");
    document.title = title.dataset[short];
    for (const button of document.querySelectorAll("[data-lang]")) {
      button.setAttribute("aria-pressed", String(button.dataset.lang === language));
    }
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-label", button.dataset[short]);
      button.title = button.dataset[short];
    }
  };
  for (const button of document.querySelectorAll("[data-lang]")) {
    button.addEventListener("click", () => show(button.dataset.lang));
  }
  const asked = new URLSearchParams(location.search).get("lang");
  show(asked === "en" ? "en" : asked === "zh" ? "zh-CN" : root.lang);

  // tables: a heading sorts the body; the total stays below
  const key = (cell) => {
    if (cell.dataset.v === undefined) return null;
    const number = Number(cell.dataset.v);
    return Number.isNaN(number) ? cell.dataset.v : number;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (const table of document.querySelectorAll("table.figures")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, place) => {
      const button = head.querySelector("button.sort");
      if (!button) return;
      button.addEventListener("click", () => {
        const first = place === 0 ? "ascending" : "descending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [left, right] = [key(a.cells[place]), key(b.cells[place])];
          return left === null || right === null ? compare(left, right) : sign * compare(left, right);
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  // maps: a layer on each side on screen (one on a narrow screen), all of them in print
  const layers = [...document.querySelectorAll("figure.layer")];
  const choices = [...document.querySelectorAll("button[data-layer]")];
  const press = () => {
    for (const button of choices) {
      const layer = document.getElementById(button.dataset.layer);
      button.setAttribute("aria-pressed", String(layer.dataset.side === button.dataset.side));
    }
  };
  for (const button of choices) {
    button.addEventListener("click", () => {
      const side = button.dataset.side;
      const wanted = document.getElementById(button.dataset.layer);
      const held = layers.find((layer) => layer.dataset.side === side);
      if (held && held !== wanted) held.dataset.side = wanted.dataset.side;
      wanted.dataset.side = side;
      press();
    });
  }

  // all layers share one view, so that switching compares the same place
  const pictures = layers.map((layer) => layer.querySelector("svg.map"));
  if (pictures.length) {
    const whole = pictures[0].viewBox.baseVal;
    const full = { x: whole.x, y: whole.y, w: whole.width, h: whole.height };
    let view = { ...full };
    const apply = () => {
      view.w = Math.min(Math.max(view.w, full.w / 24), full.w);
      view.h = (view.w * full.h) / full.w;
      view.x = Math.min(Math.max(view.x, full.x), full.x + full.w - view.w);
      view.y = Math.min(Math.max(view.y, full.y), full.y + full.h - view.h);
      for (const picture of pictures) {
        picture.setAttribute("viewBox", [view.x, view.y, view.w, view.h].map((v) => v.toFixed(2)).join(" "));
        picture.style.setProperty("--k", String(view.w / full.w));
        picture.classList.toggle("zoomed", view.w < full.w * 0.999);
      }
    };
    const zoom = (factor, at = { x: view.x + view.w / 2, y: view.y + view.h / 2 }) => {
      const w = Math.min(Math.max(view.w * factor, full.w / 24), full.w);
      const ratio = w / view.w;
      view = { x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio, w, h: view.h * ratio };
      apply();
    };
    const move = (dx, dy) => {
      view.x += dx * view.w;
      view.y += dy * view.h;
      apply();
    };
    const acts = {
      "+": () => zoom(0.7),
      "=": () => zoom(0.7),
      "-": () => zoom(1 / 0.7),
      0: () => zoom(1e9),
      ArrowLeft: () => move(-0.12, 0),
      ArrowRight: () => move(0.12, 0),
      ArrowUp: () => move(0, -0.12),
      ArrowDown: () => move(0, 0.12),
    };
    for (const layer of layers) {
      const frame = layer.querySelector(".window");
      const picture = layer.querySelector("svg.map");
      const place = (event) => {
        const box = picture.getBoundingClientRect();
        return {
          x: view.x + ((event.clientX - box.left) / box.width) * view.w,
          y: view.y + ((event.clientY - box.top) / box.height) * view.h,
        };
      };
      frame.addEventListener("keydown", (event) => {
        const act = event.target === frame && !event.ctrlKey && !event.metaKey && acts[event.key];
        if (act) {
          event.preventDefault();
          act();
        }
      });
      picture.addEventListener(
        "wheel",
        (event) => {
          // a wheel over a map that was not chosen scrolls the page
          if (document.activeElement !== frame && !event.ctrlKey) return;
          event.preventDefault();
          zoom(event.deltaY < 0 ? 0.85 : 1 / 0.85, place(event));
        },
        { passive: false },
      );
      picture.addEventListener("dblclick", (event) => zoom(0.5, place(event)));
      let held = null;
      picture.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || view.w >= full.w * 0.999) return;
        held = { x: event.clientX, y: event.clientY };
        picture.setPointerCapture(event.pointerId);
      });
      picture.addEventListener("pointermove", (event) => {
        if (!held) return;
        const box = picture.getBoundingClientRect();
        move(-(event.clientX - held.x) / box.width, -(event.clientY - held.y) / box.height);
        held = { x: event.clientX, y: event.clientY };
      });
      for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => (held = null));
      for (const button of layer.querySelectorAll("[data-zoom]")) {
        const factor = { in: 0.6, out: 1 / 0.6, reset: 1e9 }[button.dataset.zoom];
        button.addEventListener("click", () => zoom(factor));
      }
    }
    addEventListener("beforeprint", () => zoom(1e9));
  }

  // folded tables are printed too
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
})();
