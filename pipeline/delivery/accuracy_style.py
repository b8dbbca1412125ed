"""How the accuracy page looks, on screen and on paper."""

STYLE = """
:root{--ink:#1f2a37;--soft:#5b6776;--line:#dfe4ea;--paper:#fff;--ground:#f3f5f8;--accent:#1f5fa8}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:14px/1.65 "Noto Sans SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",
"WenQuanYi Micro Hei",sans-serif}
main{max-width:1200px;margin:24px auto;background:var(--paper);padding:36px 44px 48px;
border:1px solid var(--line);border-radius:10px}
header{border-bottom:3px solid var(--accent);padding-bottom:14px;margin-bottom:20px}
h1{font-size:26px;margin:0 0 4px;letter-spacing:1px}
h2{font-size:18px;margin:34px 0 10px;padding-left:10px;border-left:4px solid var(--accent)}
p{margin:4px 0}.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:16px 0}
.facts div{border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.facts b{display:block;font-size:24px;line-height:1.3}
.facts small{display:block;color:var(--soft);min-height:1.65em}
table{border-collapse:collapse;width:100%;font-size:13px}
table.narrow{width:auto;min-width:420px}
th{background:#eef2f7;text-align:left;font-weight:600;white-space:nowrap}
th,td{border:1px solid var(--line);padding:6px 9px;vertical-align:middle}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.none{color:var(--soft)}
tbody tr:nth-child(even){background:#fafbfc}
.bar{display:inline-block;min-width:96px;padding:0 4px;border-radius:3px;
background:linear-gradient(to right,#cfe0f3 calc(var(--share)*100%),transparent 0)}
details{margin:10px 0}summary{cursor:pointer;color:var(--soft)}ul{margin:4px 0;padding-left:20px}
.curves{display:flex;flex-wrap:wrap;gap:24px}
figure{margin:8px 0;flex:0 1 344px}figcaption{font-size:13px;color:var(--soft);text-align:center}
svg{width:100%;height:auto}
svg .frame{fill:#fbfcfd;stroke:#9aa7b5}svg .grid{stroke:#e6eaef}
svg .ideal{stroke:#7b8794;stroke-dasharray:5 4}svg .whisker{stroke:#8fb3dc;stroke-width:3}
svg .curve{fill:none;stroke:var(--accent);stroke-width:2}
svg .dot{fill:var(--accent);stroke:#fff;stroke-width:1}
svg .count{fill:#b9c6d4}svg .base{stroke:#9aa7b5}
svg text{font-family:inherit;fill:var(--ink);font-size:12px}
svg .tick{fill:var(--soft);font-size:11px}svg .mid{text-anchor:middle}svg .end{text-anchor:end}
.key{display:flex;flex-wrap:wrap;gap:20px;font-size:13px;color:var(--soft);margin-bottom:8px}
.key i{display:inline-block;width:18px;height:0;border-top:3px solid;margin-right:6px;
vertical-align:middle}
.key .truth{border-color:#ffd60a}.key .patch{border-color:#e81c37}
.key .dropped{border-color:#50c8ff}
.chips{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:14px}
.chip{border:1px solid var(--line);border-radius:8px;padding:8px;break-inside:avoid}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:4px}
.pair img{width:100%;display:block;border-radius:4px}
.chip p{font-size:12.5px;line-height:1.55;margin-top:6px}
footer{margin-top:36px;border-top:1px solid var(--line);padding-top:10px;color:var(--soft);
font-size:12px}
@page{size:A4;margin:14mm}
@media print{body{background:#fff;font-size:11px}main{border:0;margin:0;padding:0;max-width:none}
tr,figure,.facts,.chip{break-inside:avoid}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@media (max-width:720px){main{padding:18px}.facts{grid-template-columns:repeat(2,1fr)}}
"""
