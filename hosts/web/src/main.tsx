/** Starts the page, or says why it cannot. */
import { render } from "preact";
import { begin, watch } from "./session";
import { App } from "./ui/App";
import { NoWebGl } from "./gl/renderer";
import "./style.css";

const place = document.getElementById("app");
if (place) {
  const canvas = document.createElement("canvas");
  if (canvas.getContext("webgl2")) {
    render(<App />, place);
    void begin().then(watch);
  } else {
    const { message } = new NoWebGl();
    render(<div class="alone" role="alert"><h1>Trackmatte cannot draw in this browser</h1><p>{message}</p></div>, place);
  }
}
