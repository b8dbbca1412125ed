# 每个目标都是一行命令；没有 make 的机器（如 Windows）可直接运行同样的命令，见 README.zh-CN.md。
SHELL := /bin/sh
.DEFAULT_GOAL := help

PY := .venv/bin/python
# 指定的解释器不同，标记文件也不同：换解释器时会重建环境。
STAMP := .venv/.ready$(subst /,_,$(PYTHON))
RUN ?= demo
OUT ?= data/runs/compare
SEED ?= 1
SIZE ?= 2048
# 示例县：缺省的种子放在 data/ 下，其他种子各放一个文件夹，互不覆盖。
DEMO_DATA ?= $(if $(filter 1,$(SEED)),data,data/seeds/$(SEED))
DATA ?= $(DEMO_DATA)/raw/demo
TESTS := $(PY) -m pytest $(PYTEST_ARGS)
STAGE_NEEDS := setup $(if $(filter demo,$(RUN)),demo)

.PHONY: help setup demo run quarter close freeze reopen compare evaluate train effect intake align detect extract overlay screen package \
	collect statistics report trace register audit status why verify config lint check test test-slow test-faults test-qgis bench clean

help: ## 列出全部目标
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## 建立运行环境 .venv（需要联网一次；PYTHON=python3.12 可指定解释器）
	@:

$(STAMP): pyproject.toml uv.lock scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh "$@"

demo: setup ## 生成示例县的影像和图层（虚构；SEED=1 SIZE=2048；已有则跳过）
	@$(PY) scripts/make_demo.py --data "$(DEMO_DATA)" --seed $(SEED) --size $(SIZE)

run: demo ## 示范：生成示例县并跑完全部十个阶段（乡镇和县局由脚本扮演）；没有变化时不重算
	@$(PY) -m pipeline run --run demo --data "$(DEMO_DATA)"

quarter: $(STAGE_NEEDS) ## 一个季度：从入库检查到核查包（RUN=运行编号，缺省 demo）
	@$(PY) -m pipeline quarter --run $(RUN)

close: $(STAGE_NEEDS) ## 收口一个季度：回收、统计、简报，可反复运行（RUN=运行编号）
	@$(PY) -m pipeline close --run $(RUN)

freeze: setup ## 封存一期：BY=经办人 WHY=理由（RUN=运行编号）
	@$(if $(and $(BY),$(WHY)),,$(error 用法：make freeze RUN=运行编号 BY=经办人 WHY=理由))$(PY) -m pipeline freeze --run $(RUN) --by "$(BY)" --why "$(WHY)"

reopen: setup ## 解封一期：BY=经办人 WHY=理由（RUN=运行编号）
	@$(if $(and $(BY),$(WHY)),,$(error 用法：make reopen RUN=运行编号 BY=经办人 WHY=理由))$(PY) -m pipeline reopen --run $(RUN) --by "$(BY)" --why "$(WHY)"

compare: setup ## 比较两期影像：BEFORE=前.tif AFTER=后.tif [OUT=成果文件夹 GSD=米 BANDS=波段 DETECTOR=检测器 MODEL=模型.onnx REFERENCE=after]
	@$(if $(and $(BEFORE),$(AFTER)),,$(error 用法：make compare BEFORE=前.tif AFTER=后.tif OUT=成果文件夹))$(PY) -m pipeline compare "$(BEFORE)" "$(AFTER)" --out "$(OUT)" $(if $(GSD),--gsd $(GSD)) $(if $(BANDS),--bands "$(BANDS)") $(if $(DETECTOR),--detector $(DETECTOR)) $(if $(MODEL),--model "$(MODEL)") $(if $(REFERENCE),--reference "$(REFERENCE)")

evaluate: $(if $(filter %/raw/demo,$(DATA)),demo,setup) ## 评价精度：示例县对照真值（SEED=种子），或 DATA=带标注的文件夹 [GSD=米 DETECTOR=检测器 MODEL=模型.onnx]
	@$(PY) -m pipeline evaluate "$(DATA)" $(if $(GSD),--gsd $(GSD)) $(if $(DETECTOR),--detector $(DETECTOR)) $(if $(MODEL),--model "$(MODEL)")

train: setup ## 训练本县的检测模型：DATA=带标注的文件夹 或 FROM_RUN=已收口的运行，OUT=模型.onnx [EPOCHS= HOLD_OUT= SEED=种子 GSD=米]
	@$(if $(filter %.onnx,$(OUT)),,$(error 用法：make train DATA=带标注的文件夹 OUT=模型.onnx，或 FROM_RUN=运行编号))$(PY) -m pipeline train $(if $(FROM_RUN),--from-run $(FROM_RUN),"$(DATA)") --out "$(OUT)" --seed $(SEED) $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(HOLD_OUT),--hold-out "$(HOLD_OUT)") $(if $(GSD),--gsd $(GSD))

effect: setup ## 改用一个模型会怎样：MODEL=模型.onnx DATA=带标注的文件夹 或 FROM_RUN=运行编号 [GSD=米]；不切换检测器
	@$(if $(MODEL),,$(error 用法：make effect MODEL=模型.onnx DATA=带标注的文件夹，或 FROM_RUN=运行编号))$(PY) -m pipeline effect "$(MODEL)" $(if $(FROM_RUN),--from-run $(FROM_RUN),"$(DATA)") $(if $(GSD),--gsd $(GSD))

intake: $(STAGE_NEEDS) ## 入库检查（RUN=运行编号）
	@$(PY) -m pipeline intake --run $(RUN)

align: $(STAGE_NEEDS) ## 配准归一（RUN=运行编号；先运行 intake）
	@$(PY) -m pipeline align --run $(RUN)

detect: $(STAGE_NEEDS) ## 变化检测（RUN=运行编号；先运行 align）
	@$(PY) -m pipeline detect --run $(RUN)

extract: $(STAGE_NEEDS) ## 图斑提取（RUN=运行编号；先运行 detect）
	@$(PY) -m pipeline extract --run $(RUN)

overlay: $(STAGE_NEEDS) ## 套合分析（RUN=运行编号；先运行 extract）
	@$(PY) -m pipeline overlay --run $(RUN)

screen: $(STAGE_NEEDS) ## 合规初判（RUN=运行编号；先运行 overlay）
	@$(PY) -m pipeline screen --run $(RUN)

package: $(STAGE_NEEDS) ## 核查包（RUN=运行编号；先运行 screen）
	@$(PY) -m pipeline package --run $(RUN)

collect: $(STAGE_NEEDS) ## 回收核查：读 data/returns/<运行编号>（RUN=运行编号；先运行 package）
	@$(PY) -m pipeline collect --run $(RUN)

statistics: $(STAGE_NEEDS) ## 统计挂钩（RUN=运行编号；先运行 collect）
	@$(PY) -m pipeline statistics --run $(RUN)

report: $(STAGE_NEEDS) ## 领导简报（RUN=运行编号；先运行 statistics）
	@$(PY) -m pipeline report --run $(RUN)

trace: setup ## 追溯一个数字：TABLE=T05 UNIT=乡镇 [COLUMN=列]（RUN=运行编号）
	@$(if $(and $(TABLE),$(UNIT)),,$(error 用法：make trace TABLE=T05 UNIT=乡镇代码或名称 RUN=运行编号))$(PY) -m pipeline trace $(TABLE) "$(UNIT)" --run $(RUN) $(if $(COLUMN),--column "$(COLUMN)")

register: setup ## 图斑台账：核对历史；PATCH=图斑编号 时查一个图斑的全部记录（RUN=运行编号）
	@$(PY) -m pipeline register $(if $(PATCH),log "$(PATCH)",verify) --run $(RUN)

audit: setup ## 漏检抽查：DO=draw 抽样制卡 [CELLS=格数]；DO=result 读判读表、算检出率（RUN=运行编号）
	@$(if $(filter draw result,$(DO)),,$(error 用法：make audit DO=draw 或 DO=result RUN=运行编号))$(PY) -m pipeline audit $(DO) --run $(RUN) $(if $(CELLS),--cells $(CELLS))

status: setup ## 一次运行的概况（RUN=运行编号）
	@$(PY) -m pipeline status --run $(RUN)

why: setup ## 某阶段为什么要重算：STAGE=阶段名（RUN=运行编号）
	@$(if $(STAGE),,$(error 用法：make why STAGE=align RUN=运行编号))$(PY) -m pipeline why $(STAGE) --run $(RUN)

verify: setup ## 核对成果与清单是否一致（RUN=运行编号）
	@$(PY) -m pipeline verify --run $(RUN)

config: setup ## 由参数定义重新生成 configs/default.yaml 和 schema.json
	@$(PY) -m pipeline config

lint: setup ## 静态检查：格式、类型、导入方向、配置、规则、锁文件
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -m pipeline config --check
	$(PY) -m yamllint --strict configs/rules
	$(PY) scripts/check_lock.py

check: lint test ## 静态检查和测试

test: setup ## 测试（10 分钟以内；两个进程）
	@$(TESTS) -n 2 --dist loadfile -m "not slow and not faults and not qgis"

test-slow: setup ## 长时间测试
	@$(TESTS) -m slow

test-faults: setup ## 中断与续跑测试
	@$(TESTS) -m faults

test-qgis: setup ## 用真的 QGIS 打开核查包（需要 Debian 软件包 qgis、python3-qgis）
	@$(TESTS) -m qgis

bench: setup ## 性能测试（BENCH_ARGS=参数）
	@$(PY) scripts/bench.py $(BENCH_ARGS)

clean: ## 删除运行成果 data/runs 和生成的示例县（不动其他原始数据、填报和台账）
	@rm -rf data/runs data/seeds
	@if [ -f data/raw/demo/.demo.json ]; then \
		rm -rf data/raw/demo data/reference/demo data/returns/demo data/register/379999.gpkg; fi
