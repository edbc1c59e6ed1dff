// The report page's own script: curves by class, images large.
(() => {
  // Curves by class.
  byId("class")?.addEventListener("change", (event) => {
    const index = Number(event.target.value);
    const one = data.classes[index];
    charts.threshold.draw(one.by_threshold);
    charts.threshold.mark(one.threshold, `chosen: ${one.threshold?.toFixed(3)}`);
    charts.recall.draw(one.by_recall);
    for (const { svg, summary } of [charts.threshold, charts.recall]) {
      svg.setAttribute("aria-label", index ? `${svg.closest("figure").querySelector("figcaption").textContent}, ${one.name}` : summary);
    }
    say(`Curves of ${one.name}`);
  });

  // Images, large.
  const dialog = byId("large");
  const images = [...document.querySelectorAll(".zoom")];
  let shown = 0;
  const inWords = (half) => {
    const copied = half.cloneNode(true);
    const words = copied.appendChild(document.createElement("span"));
    words.textContent = copied.querySelector("img").alt;
    return copied;
  };
  const show = (index) => {
    shown = (index + images.length) % images.length;
    const figure = images[shown];
    byId("large-name").textContent = figure.querySelector("b").title;
    byId("large-caption").textContent = figure.querySelector("figcaption .small").textContent;
    byId("large-pair").replaceChildren(...[...figure.querySelectorAll(".pair > div")].map(inWords));
  };
  const open = (index) => {
    show(index);
    dialog.showModal();
    byId("close").focus();
  };
  images.forEach((figure, index) => {
    figure.querySelector(".open").addEventListener("click", () => open(index));
    figure.querySelector(".pair").addEventListener("click", () => open(index));
  });
  byId("close").addEventListener("click", () => dialog.close());
  byId("previous").addEventListener("click", () => show(shown - 1));
  byId("next").addEventListener("click", () => show(shown + 1));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(shown - 1);
    if (event.key === "ArrowRight") show(shown + 1);
  });
})();
