/** The views of the page, in the order of its menu. */

import "./explore/explore.js";
