import { defineConfig } from "vite";

// The bundle lies inside the engine's package, so that a wheel holds it and no Node is needed to run it.
export default defineConfig({
  base: "/",
  build: {
    outDir: "../../engine/trackmatte/server/web",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { output: { entryFileNames: "assets/app.js", assetFileNames: "assets/[name][extname]" } },
  },
});
