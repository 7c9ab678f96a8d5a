"use strict";
SwaggerUIBundle({
  url: document.currentScript.dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // Swagger's own validator is on the internet
});
