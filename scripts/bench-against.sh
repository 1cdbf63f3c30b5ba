#!/usr/bin/env bash
# Runs benchmarks of this commit and of an earlier one in turn, on the same machine and in
# the same run, and fails if a median is worse by more than 10 %:
#
#	scripts/bench-against.sh COMMIT [BENCHMARK...]
#
# Benchmarks are admin, enroll, revoke and rotation, all of them by default, each ROUNDS
# times (2) on either side. Each commit runs its own code of a benchmark. What is printed
# is also in bin/results/bench-against.txt, and the figures of each run in .tsv beside it.
#
#	scripts/bench-against.sh --judge FILE     judges the figures of an earlier run
set -euo pipefail
cd "$(dirname "$0")/.."

# judge FILE: lines "metric <tab> limited|shown <tab> before|now <tab> value". Medians of
# each side; a metric that only one side has is named and not judged.
judge() {
	sort -t $'\t' -k1,1 -k3,3 -k4,4g "$1" | awk -F '\t' '
		function flush(    side, n) {
			if (key == "") return
			n = split("before now", sides, " ")
			for (side = 1; side <= n; side++) {
				s = sides[side]
				med[s] = count[s] ? value[s, int((count[s] + 1) / 2)] : ""
				if (count[s] && count[s] % 2 == 0) med[s] = (value[s, count[s] / 2] + value[s, count[s] / 2 + 1]) / 2
			}
			if (med["before"] == "") printf "%-48s %12s %12.4g            the commit before has no such figure\n", key, "-", med["now"]
			else if (med["now"] == "") printf "%-48s %12.4g %12s            not measured now\n", key, med["before"], "-"
			else {
				ratio = med["before"] > 0 ? med["now"] / med["before"] : 0
				verdict = limited != "limited" ? "" : ratio > 0 && ratio <= 1.10 ? "ok" : "MISSED"
				if (verdict == "MISSED") missed++
				if (limited == "limited") judged++
				printf "%-48s %12.4g %12.4g %8.2f   %s\n", key, med["before"], med["now"], ratio, verdict
			}
			delete count; delete value
		}
		BEGIN { printf "%-48s %12s %12s %8s   %s\n", "median", "before", "now", "ratio", "limit 1.10" }
		$1 != key { flush(); key = $1; limited = $2 }
		{ value[$3, ++count[$3]] = $4 }
		END {
			flush()
			if (!judged) { print "nothing was measured on both sides"; exit 1 }
			if (missed) { print missed " of " judged " MISSED"; exit 1 }
			print "all " judged " ok"
		}'
}

if [[ ${1-} == --judge ]]; then
	judge "$2"
	exit
fi
if [[ $# -lt 1 ]]; then
	sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' "$0" >&2
	exit 2
fi
base=$(git rev-parse --verify --quiet "$1^{commit}") || { echo "bench-against: no commit $1" >&2; exit 2; }
shift
benches=("$@")
[[ ${#benches[@]} -gt 0 ]] || benches=(admin enroll revoke rotation)
for b in "${benches[@]}"; do
	[[ $b =~ ^(admin|enroll|revoke|rotation)$ ]] || { echo "bench-against: no benchmark $b" >&2; exit 2; }
done
rounds=${ROUNDS:-2}
[[ -z $(git status --porcelain --untracked-files=no) ]] || echo "bench-against: changes that are not committed are not measured" >&2
for program in spire-server spire-agent; do
	[[ -x bin/$program ]] || { echo "bench-against: no bin/$program; run make spire" >&2; exit 2; }
done
[[ -f webadmin/ui/dist/index.html ]] || { echo "bench-against: no dashboard in webadmin/ui/dist; run make ui" >&2; exit 2; }
export SPIRE_SERVER_BIN=$PWD/bin/spire-server SPIRE_AGENT_BIN=$PWD/bin/spire-agent

top=$PWD
dir=$(mktemp -d)
trap 'for side in before now; do git worktree remove --force "$dir/$side" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
mkdir -p bin/results
figures=bin/results/bench-against.tsv
: >"$figures"

# build SIDE COMMIT: its programs. The dashboard is this one on both sides: no benchmark
# shows it.
build() {
	git worktree add --quiet --detach "$dir/$1" "$2"
	mkdir -p "$dir/$1/webadmin/ui/dist"
	cp -a webadmin/ui/dist/. "$dir/$1/webadmin/ui/dist/"
	echo "building $1, $(git log -1 --format='%h %s' "$2")"
	make -C "$dir/$1" --no-print-directory -o ui build >"$dir/build.log" 2>&1 || { cat "$dir/build.log" >&2; exit 1; }
}

# note SIDE LIMITED METRIC VALUE
note() { printf '%s\t%s\t%s\t%s\n' "$3" "$2" "$1" "$4" >>"$top/$figures"; }

# Each reads the output of a benchmark and notes figures. A benchmark that misses its own
# limit still counts here: on a busy machine both sides do.
figures_of_admin() {
	awk '/^BenchmarkAdmin\// { name = $1; sub(/^BenchmarkAdmin\//, "", name); sub(/-[0-9]+$/, "", name); gsub("_", " ", name)
		kind = name ~ /yardstick/ ? "shown" : "limited"
		for (i = 2; i <= NF; i++) { if ($i == "p50-ms") print "admin " name ", p50 ms\t" kind "\t" $(i-1); if ($i == "p99-ms") print "admin " name ", p99 ms\tshown\t" $(i-1) } }'
}
figures_of_enroll() {
	awk '/^enroll to ONLINE/ { print "enroll to ONLINE, median ms\tlimited\t" $5; print "enroll to ONLINE, p95 ms\tshown\t" $8 }
		/^ *of it enroll/ { print "of it the command enroll, median ms\tlimited\t" $5 }
		/^bare SPIRE  / { print "bare SPIRE, median ms\tshown\t" $4 }'
}
figures_of_revoke() {
	sed -nE 's/.*median ([0-9.]+) ms, p90 ([0-9.]+) ms, p99 ([0-9.]+) ms.*/\1 \2 \3/p' |
		awk '{ print "revocation, median ms\tlimited\t" $1; print "revocation, p90 ms\tshown\t" $2; print "revocation, p99 ms\tshown\t" $3 }'
}
figures_of_rotation() {
	sed -nE 's/.* rotation ([0-9.]+) \/ ([0-9.]+) s \(median \/ p95\).*/\1 \2/p' |
		awk '{ print "rotation, median s\tlimited\t" $1; print "rotation, p95 s\tshown\t" $2 }'
}

# run SIDE BENCHMARK, as make does.
run() {
	local more=()
	case $2 in
	# One connection may send 1,000 requests at once, and earlier commits use one for all.
	admin) go test -count 3 -run NoTest -bench BenchmarkAdmin -benchtime 100x ./webadmin/api ;;
	# Earlier commits have it directly below internal.
	enroll) go run "./$(dirname "$(git ls-files '*/benchenroll/main.go')")" ;;
	revoke)
		# Of a commit that had no such flag 200 were enrolled.
		! grep -q '"enrolled"' internal/e2e/revocation/*_test.go || more=(-enrolled 200)
		go test -count 1 -v -run . ./internal/e2e/revocation -full "${more[@]}"
		;;
	rotation) go test -count 1 -v -timeout 20m -run TenRotations ./internal/e2e/rotation -full ;;
	esac
}

measure() {
	local log=$dir/$1-$2-$3.log
	local began=$SECONDS
	(cd "$dir/$1" && run "$1" "$2") >"$log" 2>&1 || true
	"figures_of_$2" <"$log" >"$dir/figures"
	if [[ ! -s $dir/figures ]]; then
		tail -n 30 "$log" >&2
		echo "bench-against: $2 of the commit $1 gave no figures" >&2
		exit 1
	fi
	while IFS=$'\t' read -r metric limited value; do note "$1" "$limited" "$metric" "$value"; done <"$dir/figures"
	echo "round $3, $2, $1: $((SECONDS - began)) s; $(awk -F '\t' '$2 == "limited" { printf "%s %s; ", $1, $3 }' "$dir/figures")"
}

{
	build before "$base"
	build now HEAD
	echo "$(nproc) cores, load $(cut -d ' ' -f 1-3 /proc/loadavg) at the start"
	for b in "${benches[@]}"; do
		for ((round = 1; round <= rounds; round++)); do
			# Before now, now before: a machine that gets slower harms both.
			sides=(before now)
			((round % 2)) || sides=(now before)
			for side in "${sides[@]}"; do measure "$side" "$b" "$round"; done
		done
	done
	echo "load $(cut -d ' ' -f 1-3 /proc/loadavg) at the end"
	judge "$figures"
} | tee bin/results/bench-against.txt
