(async () => {
  const plots = [...document.querySelectorAll("[data-chart]")];
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const explain = (plot) => {
    plot.textContent = "This chart needs a browser from 2023 or later. A table holds its numbers.";
    plot.closest("figure").querySelectorAll("details").forEach((numbers) => { numbers.open = true; });
  };
  if (!("DecompressionStream" in window)) {
    plots.forEach(explain);
    return;
  }
  const packed = Uint8Array.from(atob(document.getElementById("chart-library").textContent), (c) => c.charCodeAt(0));
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(inflated).text();
  document.head.append(library);
  const options = {
    mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false,
    ast: true, // expressions are interpreted: the page's policy forbids evaluating text as code
    config: read("chart-config"),
  };
  for (const plot of plots) {
    try {
      await vegaEmbed(plot, read(plot.dataset.chart), options);
    } catch (error) {
      console.error(plot.dataset.chart, error);
      explain(plot);
    }
  }
})();
