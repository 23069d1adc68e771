import { fontSize } from './chart.ts';

// Versions differ in lightness as well as in hue, so that they differ for every eye and in grey.
export const style = `
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--muted:#57606a;--line:#d5dae0;--card:#f4f6f8;
--v0:#004e92;--v1:#c58200;--v2:#2a9d8f;--bad:#b00020;--good:#0a6b3d;--band:#8a94a0;
--p50:#2478c7;--upgrading:#7a828c;--soaking:#aeb6bf;--resetting:#1b1f24}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--text:#e6e9ec;--muted:#a3adb8;--line:#333a42;--card:#1e2328;
--v0:#3f7fd9;--v1:#f5be4b;--v2:#5fd3c0;--bad:#ff7b72;--good:#5fd38d;--band:#6c7681;
--p50:#6cb0f5;--upgrading:#8b949e;--soaking:#59626c;--resetting:#e6e9ec}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .4em}
p{margin:.4em 0}.muted{color:var(--muted);font-size:.9rem}
.verdict{font-size:1.1rem;font-weight:600;padding:.5em .7em;border-left:6px solid var(--muted);background:var(--card)}
.as-expected{border-color:var(--good);color:var(--good)}.not-as-expected{border-color:var(--bad);color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:14px 0}
.figures div{background:var(--card);padding:.6em .8em}.figures dt,.figures span{color:var(--muted);font-size:.85rem}
.figures dd{margin:0}.figures b{display:block;font-size:1.6rem;line-height:1.2;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;font-size:.9rem;margin:.5em 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3em .8em .3em 0;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-weight:500;overflow-wrap:normal}th.number,td.number{text-align:right;white-space:nowrap}
.upgrades{width:100%}.upgrades td:nth-child(2){min-width:6em}.upgrades td>span{white-space:nowrap}.upgrades small{display:block;max-width:34ch}
.steps td:nth-child(3){white-space:nowrap}summary{cursor:pointer;padding:.3em 0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin:.4em 0 .8em;padding:0;font-size:.85rem}
.load{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2em 1.2em;margin:0;font-size:.9rem}
.load dt{color:var(--muted)}.load dd{margin:0;white-space:pre-wrap}
.chart{display:none;width:100%;height:auto}.chart.narrow{display:block}
.chart text{font-size:${fontSize}px;fill:var(--text)}.grid{stroke:var(--line);fill:none}
.v0{fill:var(--v0)}.v1{fill:var(--v1)}.v2{fill:var(--v2)}.failed{fill:var(--bad)}.cross{stroke:var(--bad);stroke-width:1.6;fill:none}
.hit{fill:#0000}g:hover>.hit{fill:var(--band);fill-opacity:.25}.band{fill:var(--band);fill-opacity:.22}
.phase-Upgrading{fill:var(--upgrading)}.phase-Soaking{fill:var(--soaking)}.phase-Resetting{fill:var(--resetting)}.phase-RollingBack{fill:var(--bad)}.phase-Pulling{fill:var(--soaking)}
.p50,.p99{fill:none;stroke-width:2;stroke:var(--p50)}.p99{stroke:var(--text);stroke-width:1.3}
@media(min-width:600px){.chart.narrow{display:none}.chart.medium{display:block}}
@media(min-width:1000px){.chart.medium{display:none}.chart.wide{display:block}}
@media(max-width:999px){.figures{grid-template-columns:1fr 1fr}
.upgrades,.upgrades tbody{display:block}.upgrades thead{display:none}
.upgrades tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.2em 1em;padding:.6em 0;border-bottom:1px solid var(--line)}
.upgrades th,.upgrades td{border:0;padding:0}.upgrades .number{text-align:left}.upgrades td:nth-child(5){grid-column:1/-1}
.upgrades .number{white-space:normal}.steps td:nth-child(5){grid-column:auto}.steps td:nth-child(2),.steps td:nth-child(4){grid-column:1/-1}
.upgrades [data-label]::before{content:attr(data-label) ": ";color:var(--muted);font-weight:400}}
`;
