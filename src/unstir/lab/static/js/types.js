/**
 * Types that modules share. Nothing here runs.
 *
 * @typedef {Float32Array|Uint8Array|Uint16Array|Int32Array} Numbers
 * @typedef {{data: Numbers, shape: number[]}} NumberArray an array of an answer, row by row
 *
 * @typedef {object} Frame one answer of the library
 * @property {Record<string, any>} header id, slot, kind, stage, done and the answer's scalars
 * @property {Record<string, NumberArray>} arrays by name
 *
 * @typedef {(frame: Frame) => void} OnFrame
 * @typedef {(message: string, field: string|null) => void} OnError
 *
 * @typedef {object} Link whoever answers requests: a server, or files made beforehand
 * @property {(slot: string, kind: string, args: Record<string, unknown>, onFrame: OnFrame, onError?: OnError)
 *   => () => void} request asks; the function that comes back takes the question back
 *
 * @typedef {{preset: string}|{points: number[][]}|{word: string}|{picture: string}|{numbers: string}
 *   |{images: string}} DataSpec
 *
 * @typedef {object} State all that a link to the page holds
 * @property {string} scene name of the view
 * @property {DataSpec} data
 * @property {string} process as the command line writes it, "poisson:D=1"
 * @property {string} compare a second process, or ""
 * @property {number} t share of the way from data (0) to prior (1)
 * @property {string[]} layers what is drawn over the particles
 * @property {string} field "exact", "local" or "neural:<slot>"
 * @property {number} n how many particles
 * @property {number} seed
 * @property {number} speed
 * @property {string} solver by name, or "" for the process's own
 * @property {number} steps of the solver, 0 for the server's choice
 * @property {string} follow "f:12" or "b:12", or ""
 * @property {Record<string, string>} extra what other views keep in the link
 *
 * @typedef {object} Parameter
 * @property {string} name
 * @property {number|string} default
 * @property {"number"|"choice"} kind
 * @property {number} [low]
 * @property {number} [high]
 * @property {boolean} [log]
 * @property {boolean} [whole]
 * @property {(string|number)[]} [choices]
 * @property {string} [symbol]
 *
 * @typedef {object} ProcessInfo
 * @property {string} name
 * @property {string} summary
 * @property {string} family
 * @property {Parameter[]} parameters
 * @property {string[]} solvers the default first
 * @property {boolean} generates2d whether it takes points
 * @property {boolean} images whether it takes images
 *
 * @typedef {object} Catalog what the server offers
 * @property {string} version
 * @property {ProcessInfo[]} processes
 * @property {{name: string, kind: "points"|"images"}[]} presets
 * @property {Record<string, number>} limits
 * @property {{name: string, equation: string, generates: boolean, fails: string|null, reason: string|null}[]} rows
 * @property {any[]} runs
 * @property {boolean} static whether answers are files made beforehand, so that nothing new can be asked
 *
 * @typedef {object} Context what a view is given
 * @property {import("./store.js").Store} store
 * @property {Link} link
 * @property {import("./player.js").Player} player
 * @property {import("./palette.js").Palette} palette
 * @property {Catalog} catalog
 * @property {(text: string, kind?: "info"|"error") => void} notice says something quietly, for a while
 *
 * @typedef {object} Mounted a view on the page
 * @property {(state: State, changed: Set<string>) => void} update
 * @property {() => void} destroy
 * @property {() => HTMLCanvasElement[][]} [pictures] rows of canvas layers, for saving what is seen
 *
 * @typedef {object} View
 * @property {string} name in links
 * @property {string} title in the menu
 * @property {(state: State, catalog: Catalog) => boolean} [fits]
 * @property {boolean|((catalog: Catalog) => boolean)} [player] whether the time line is shown under it
 * @property {(root: HTMLElement, context: Context) => Mounted} mount
 */
export {};
