/** The views of the page, in the order of its menu. */

import "./explore/explore.js";
import "./topics/dome.js";
import "./topics/rod.js";
import "./topics/coins.js";
import "./topics/entropy.js";
import "./topics/train.js";
import "./topics/runs.js";
import "./learn/learn.js";
