// Beside the page and not in it: the content security policy allows no inline script.
// The addresses are relative to the page, so that they hold under a path prefix too.
const documents = document.getElementById("swagger-ui").dataset.document.split("|").map((entry) => {
  const [url, ...name] = entry.split(" ");
  return { url, name: name.join(" ") };
});
window.ui = SwaggerUIBundle({
  ...(documents.length > 1 ? { urls: documents } : { url: documents[0].url }),
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
  validatorUrl: null,
});
