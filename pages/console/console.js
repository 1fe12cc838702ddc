// What the console does better with a script. Each page works without it.
'use strict';
