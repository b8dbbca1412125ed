"""The fictional demo county 示例县 (379999): what is planted, and how every layer is delivered.

All names are made up; the place has no meaning. Everything follows from (seed, size). Nothing
here imports `pipeline`, so that neither can hide a mistake of the other. CRS EPSG:4547 unless
said otherwise; 2 m; before 2024-05-06, after 2024-10-18.

Cases
=====
`kinds` lists the violation kinds that the place and the change make it; it is filled only for
`suspected_violation`. The township is the one of the after date; 开发区 wins over 镇.

====================  ==========================================  ====================== =========
case_id               place and papers                            expected_class         kinds
====================  ==========================================  ====================== =========
V1                    open land (grass, bare, orchard), no paper  suspected_violation    1
V2                    building, valid temporary land; issued 20   suspected_violation    2
V3                    cultivated outside PBF                      suspected_violation    1 3
V3b                   digging on cultivated; issued CK            suspected_violation    3 5
V4                    building on PBF                             suspected_violation    1 4
V4b                   waste on PBF; issued WL                     suspected_violation    4
V5                    digging in woods outside rights; issued CK  suspected_violation    5
V6                    inside the urban boundary, no permit        suspected_violation    1 (3) 6
V7                    inside a 203 range, no rural permit         suspected_violation    1 (3) 7
approved              批文 + 供地 before, margin 6 m              approved
devzone_approved      the same in 开发区, with 建设工程 permit    approved
part_approved         批文 + 供地 cover 60 %                      part_approved
approved_late         批文, 供地 after 2024-10-18                 built_before_approval
approved_between      批文, 供地 between the dates                uncertain
used_before_supply    批文 only                                   used_before_supply
registered            登记 only                                   approved
existing              on 0601/0701/0702                           existing_construction
temporary_valid       hardened, valid 临时用地                    temporary
temporary_expired     hardened, expired 2024-03-14; open land     suspected_violation    1
facility_real         greenhouse or shed under a filing           facility
facility_cover        building/hardened under a filing; 20, YH    suspected_violation    1
greenhouse_unfiled    greenhouse, no filing; open land            suspected_violation    1
rural_road            5 m × ≥ 250 m (165 m below 900 px); ND      rural_road
straddle              on a township line, cultivated              suspected_violation    1 3
devzone               in 开发区 and urban boundary, no permit     suspected_violation    1 6
boundary_changed      village that moved 379999101 → 379999102    suspected_violation    1 (3)
cloud, nodata         issued 20, hidden in the after image        unobserved
sliver                3 m × 60 m beside an approval; issued YH    other
crop                  wheat → ploughed; issued 01                 not_construction
earthwork             pushed soil; issued TD                      early_warning
mining_in_right       quarry face inside a valid right; CK        other
water                 drowned reservoir shore; issued SM          not_construction
missed                hardly visible; open land; issued 20        suspected_violation    1
pbf_499 _500 _501     issued 20 on PBF, 4.99 / 5.00 / 5.01 亩     suspected_violation    1 4
====================  ==========================================  ====================== =========

(3): where the place happens to be cultivated. `expected_kinds` in the truth is exact per plant.

Layers, under `reference/demo/` (issued: `raw/demo/`); dates are text yyyymmdd, empty = open
=============================================================================================
townships          xzq.gpkg XZQ: XZQDM, XZQMC, XZQLX (镇 乡 街道 开发区), QYRQ, SXRQ; two
                   versions of 379999101 and 379999102 (SXRQ 20240630, last day; QYRQ 20240701)
villages           cjdcq.gpkg CJDCQ: ZLDWDM (12), ZLDWMC, QYRQ, SXRQ; the moved village has an
                   old and a new code
land_use           DLTB.shp, GBK, no .cpg, LDID byte 0, EPSG:4526 (zone 38): BSM, DLBM, DLMC,
                   KCXS (0–1), TBMJ (m²), SJNF (2023 → vintage 2023-12-31). Flaws on purpose:
                   one overlap 18 m × 14 m, one crossed ring, one class 1208 后备耕地
permanent_basic_farmland   yjbnt.gdb, layer 永久基本农田: BSM, YJJBNTTBBH, YJJBNTMJ (m²)
ecological_redline stbhhx.geojson, EPSG:4490: MC, LXDM
nature_reserve     zrbhd.gpkg ZRBHD: MC
urban_boundary     czkfbj.gpkg CZKFBJ: GHFQDM (410), GHFQMC
planning_zones     ghfq.gpkg GHFQ: GHFQDM (100 300 410 510 520 530 700), GHFQMC
settlements        settlements_203.gpkg CZCDY203: CZCSXM (203), MC
approvals          approvals.shp, UTF-8 with .cpg: PZWH, XMMC, PZRQ, YDDW
supply             supply.geojson, EPSG:4490: HTBH (contract), XMMC, GDRQ, YDDW
registration       registration.gpkg BDCDJ: BDCDYH, DJRQ, QLR
facility_land      ssnyd.gpkg SSNYD: BABH, XMMC, BARQ, QSRQ, JZRQ, PZYT, YDDW
temporary_land     lsyd.gpkg LSYD: PZWH, XMMC, PZRQ, QSRQ, JZRQ, YDDW
permits            permits.gpkg GHXK: XKZH, XKLX (建设工程 乡村), XKRQ, YDDW
mining_rights      mining_rights.gpkg CKQ: CKQH, KZ, QSRQ, JZRQ, KQR
patrol_areas       patrol_areas.gpkg XCQY: QYBH, JB (一级 二级 三级), ZRDW (township code), ZRR,
                   QYRQ, SXRQ
roads              roads.gpkg DL (lines): DLMC, DLDJ (国道 省道 县道 农村道路)
previous_patches   previous.gpkg QCTB: JCBH, PDJG (合法 其他 违法)
issued_patches     issued.shp, GBK with .cpg: JCBH, QSX, HSX, TBLX, JCMJ (亩), PCH
patrol_records     patrol_ledger.csv, GBK: 巡查日期 (ISO), 区域编号, 巡查人, 发现情况, 经度,
                   纬度 (EPSG:4490 degrees); one row without a place, on purpose
patrol_tracks      patrol_tracks.gpkg XCGJ (lines): XCRQ, QYBH
leads              leads.csv, UTF-8 with BOM: 线索日期 (ISO), 内容, X (east), Y (north), EPSG:4547

Imagery, under `raw/demo/`
==========================
before.tif, after.tif   blue, green, red, nir; uint16; nodata 0. The after image is 10 px larger
                        on every side, 1.4–2.4 px misplaced, and locally 0.4–0.7 px r.m.s. more.
before_mask.tif, after_mask.tif   0 clear, 1 no data, 2 cloud, 3 shadow, each on its image's grid
label.tif               1 built, 0 not, 255 hidden in a supplied mask; the before image's grid
truth.gpkg              `changes`; `events` (truth_id, event, date ISO, text); `nuisances`
                        (nuisance_id, code, text): pseudo-changes, see `nuisances`
"""
