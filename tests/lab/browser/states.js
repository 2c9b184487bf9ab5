// What a link does not bring back as it was.
async () => {
  const { fromHash, toHash, DEFAULTS, packPoints, unpackPoints } = await import("/js/address.js");
  const wrong = [];
  const grid = (i) => ((i % 255) - 127) / 63.5;
  const drawn = Array.from({ length: 500 }, (_, i) => [grid(i * 37), grid(i * 91)]);
  const points = unpackPoints(packPoints(drawn));
  if (points.some((point, i) => point.some((x, k) => Math.abs(x - drawn[i][k]) > 1e-3))) wrong.push("points");
  const states = [
    {},
    { process: "poisson:D=1,sigma_max=20", compare: "kac:a=2,c=3", t: 0.125, layers: ["arrows", "items"] },
    { data: { word: "a+b & c=d%20ü" }, n: 1, seed: 12, follow: "b:3", speed: 0.25, extra: { chapter: "3" } },
    { data: { points }, solver: "heun", steps: 9, field: "local" },
    { data: { numbers: "x,y\n1, 2\n" } },
    { data: { picture: "aGk+/w==" } },
  ];
  for (const state of states.map((some) => ({ ...DEFAULTS, ...some }))) {
    if (JSON.stringify(fromHash(toHash(state))) !== JSON.stringify(state)) wrong.push(toHash(state));
  }
  if (toHash(DEFAULTS) !== "") wrong.push("the default");
  for (const nonsense of ["#t=x&n=1e99&data=points:!!&seed=-4&speed=", "#%%%", "#=&&="]) {
    const state = fromHash(nonsense);
    const tame = state.n <= 5000 && state.t === 0 && state.seed === 0 && state.speed > 0;
    if (!tame || JSON.stringify(state.data) !== JSON.stringify(DEFAULTS.data)) wrong.push(nonsense);
  }
  return wrong;
}
