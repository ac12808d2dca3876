/** Draws one frame with its mattes into a canvas. */
import { PALETTE } from "../palette";
import { FRAGMENT, MOST_OBJECTS, VERTEX, VIEWS, type View } from "./shader";

/** Where the picture lies: canvas = picture * scale + (x, y), device pixels from the top left. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Scene {
  readonly view: View | "layers";
  /** Layers that are chosen. */
  readonly picked: ReadonlySet<number>;
  readonly place: Placement;
  readonly active: number;
  readonly together: boolean;
  readonly onion: boolean;
  /** Share of the canvas left of which the plate is shown, or null without a wipe. */
  readonly wipe: number | null;
  /** sRGB in [0, 1]. */
  readonly backdrop: readonly [number, number, number];
  /** Of the lens, plate pixels. */
  readonly radius: number;
}

export class NoWebGl extends Error {
  constructor() {
    super("This browser has no WebGL 2: turn on hardware acceleration, or use a newer Firefox, Chrome or Safari.");
  }
}

export class Renderer {
  readonly #gl: WebGL2RenderingContext;
  readonly #program: WebGLProgram;
  readonly #plate: WebGLTexture;
  readonly #mattes: WebGLTexture;
  readonly #around: WebGLTexture;
  readonly #hover: WebGLTexture;
  readonly #places = new Map<string, WebGLUniformLocation | null>();
  /** What the textures hold, so that nothing is sent twice. */
  readonly #held = new Map<WebGLTexture, readonly (ImageBitmap | null)[]>();
  #hovering = false;
  #size: [number, number] = [1, 1];
  #count = 0;

  /** @throws NoWebGl */
  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, preserveDrawingBuffer: true });
    if (!gl) throw new NoWebGl();
    this.#gl = gl;
    this.#program = link(gl);
    this.#plate = texture(gl, gl.TEXTURE_2D);
    this.#mattes = texture(gl, gl.TEXTURE_2D_ARRAY);
    this.#around = texture(gl, gl.TEXTURE_2D_ARRAY);
    this.#hover = texture(gl, gl.TEXTURE_2D);
    const corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.#layers(this.#mattes, []);
    this.#layers(this.#around, [null, null]);
    gl.bindTexture(gl.TEXTURE_2D, this.#hover);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    this.setHover(null);
  }

  /** Take the plate; ``size`` is the plate's own, whatever the picture was scaled to. */
  setPlate(picture: ImageBitmap, size: [number, number]): void {
    const gl = this.#gl;
    this.#size = size;
    if (this.#same(this.#plate, [picture])) return;
    gl.bindTexture(gl.TEXTURE_2D, this.#plate);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    gl.generateMipmap(gl.TEXTURE_2D);
  }

  /** Take the mattes of all objects; null where an object has none on this frame. */
  setMattes(pictures: readonly (ImageBitmap | null)[]): void {
    this.#count = Math.min(MOST_OBJECTS, pictures.length);
    this.#layers(this.#mattes, pictures.slice(0, this.#count));
  }

  /** Take the active object's mattes one frame before and after, for the onion skin. */
  setAround(before: ImageBitmap | null, after: ImageBitmap | null): void {
    this.#layers(this.#around, [before, after]);
  }

  /** Take what the prompt under the pointer would select; null = no such. */
  setHover(picture: ImageBitmap | null): void {
    const gl = this.#gl;
    this.#hovering = picture !== null;
    if (this.#same(this.#hover, [picture])) return;
    gl.bindTexture(gl.TEXTURE_2D, this.#hover);
    if (picture) gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, gl.RED, gl.UNSIGNED_BYTE, picture);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 1, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(1));
  }

  draw(scene: Scene): void {
    const gl = this.#gl;
    const at = (name: string) => this.#at(name);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.useProgram(this.#program);
    const units = [[gl.TEXTURE_2D, this.#plate], [gl.TEXTURE_2D_ARRAY, this.#mattes], [gl.TEXTURE_2D_ARRAY, this.#around], [gl.TEXTURE_2D, this.#hover]] as const;
    units.forEach(([target, t], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, t);
    });
    gl.uniform1i(at("plate"), 0);
    gl.uniform1i(at("mattes"), 1);
    gl.uniform1i(at("around"), 2);
    gl.uniform1i(at("hover"), 3);
    gl.uniform1i(at("hovering"), this.#hovering ? 1 : 0);
    gl.uniform2f(at("canvas"), this.canvas.width, this.canvas.height);
    gl.uniform2f(at("size"), ...this.#size);
    gl.uniform3f(at("place"), scene.place.x, scene.place.y, scene.place.scale);
    gl.uniform1i(at("view"), [...VIEWS, "layers"].indexOf(scene.view));
    gl.uniform1i(at("picked"), [...scene.picked].reduce((bits, layer) => bits | (1 << layer), 0));
    gl.uniform1i(at("count"), this.#count);
    gl.uniform1i(at("chosen"), scene.active);
    gl.uniform1i(at("together"), scene.together ? 1 : 0);
    gl.uniform1i(at("onion"), scene.onion ? 1 : 0);
    gl.uniform1f(at("wipe"), scene.wipe ?? -1);
    gl.uniform3fv(at("tints"), PALETTE.flat().map((v) => v / 255));
    gl.uniform3f(at("backdrop"), ...scene.backdrop);
    gl.uniform1f(at("radius"), scene.radius);
    gl.activeTexture(gl.TEXTURE0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #at(name: string): WebGLUniformLocation | null {
    const found = this.#places.get(name);
    if (found !== undefined) return found;
    const place = this.#gl.getUniformLocation(this.#program, name);
    this.#places.set(name, place);
    return place;
  }

  #same(target: WebGLTexture, pictures: readonly (ImageBitmap | null)[]): boolean {
    const had = this.#held.get(target);
    this.#held.set(target, pictures);
    return had !== undefined && had.length === pictures.length && had.every((p, i) => p === pictures[i]);
  }

  #layers(target: WebGLTexture, pictures: readonly (ImageBitmap | null)[]): void {
    const gl = this.#gl;
    if (this.#same(target, pictures)) return;
    const found = pictures.find((p) => p !== null);
    const [w, h] = found ? [found.width, found.height] : [1, 1];
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, target);
    gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, gl.R8, w, h, Math.max(1, pictures.length), 0, gl.RED, gl.UNSIGNED_BYTE, null);
    pictures.forEach((p, layer) => {
      if (p && p.width === w && p.height === h) gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, p.width, p.height, 1, gl.RED, gl.UNSIGNED_BYTE, p);
    });
  }
}

function texture(gl: WebGL2RenderingContext, target: GLenum): WebGLTexture {
  const made = gl.createTexture();
  gl.bindTexture(target, made);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, target === gl.TEXTURE_2D ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
  return made;
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new NoWebGl();
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "link");
  return program;
}
