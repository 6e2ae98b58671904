# shellcheck shell=bash
# Completion for otactl; written by `otactl completion bash`, do not edit.
_otactl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local group='' verb='' word skip='' words='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $skip ]]; then skip=; continue; fi
        case $word in
        -C | --directory | --token-file) skip=1 ;;
        -*) ;;
        *)
            if [[ ! $group ]]; then group=$word
            elif [[ ! $verb ]]; then verb=$word
            fi ;;
        esac
    done
    case $previous in
    -C | --directory | --out)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return ;;
    esac
    case "$group $verb" in
    'init '*) [[ $current != -* ]] || words='--json --help --product --hostname --port --operator-port --set' ;;
    'device issue') [[ $current != -* ]] || words='--json --help --out --model --hardware --site --tags --days --renew --count --prefix --first --jobs' ;;
    'device list') [[ $current != -* ]] || words='--json --help --limit --after --all --state --model --version --tag --filter' ;;
    'device count') [[ $current != -* ]] || words='--json --help --filter' ;;
    'device show') [[ $current != -* ]] || words='--json --help' ;;
    'device timeline') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'device explain') [[ $current != -* ]] || words='--json --help' ;;
    'device approve') [[ $current != -* ]] || words='--json --help' ;;
    'device suspend') [[ $current != -* ]] || words='--json --help' ;;
    'device activate') [[ $current != -* ]] || words='--json --help' ;;
    'device revoke') [[ $current != -* ]] || words='--json --help --reason' ;;
    'device retire') [[ $current != -* ]] || words='--json --help' ;;
    'device token') [[ $current != -* ]] || words='--json --help --token --delete --output' ;;
    'device import') [[ $current != -* ]] || words='--json --help' ;;
    'device tag') [[ $current != -* ]] || words='--json --help --remove' ;;
    'device pin') [[ $current != -* ]] || words='--json --help --reason --until --install --force-at --risk --consent --window --zone --transfer-rate' ;;
    'device hold') [[ $current != -* ]] || words='--json --help --reason --until' ;;
    'device unpin') [[ $current != -* ]] || words='--json --help' ;;
    'device pins') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'device join') [[ $current != -* ]] || words='--json --help --until' ;;
    'device leave') [[ $current != -* ]] || words='--json --help' ;;
    'device deployments') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'device reports') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'device cancel') [[ $current != -* ]] || words='--json --help --reason --force' ;;
    'device consent') [[ $current != -* ]] || words='--json --help --deny --reason' ;;
    'device set') [[ $current != -* ]] || words='--json --help --model --hardware --site --zone --announce --auto-confirm --ask-attributes' ;;
    'device '*) words='issue list count show timeline explain approve suspend activate revoke retire token import tag pin hold unpin pins join leave deployments reports cancel consent set --help' ;;
    'device-authentication show') [[ $current != -* ]] || words='--json --help' ;;
    'device-authentication set') [[ $current != -* ]] || words='--json --help --target-tokens --no-target-tokens' ;;
    'device-authentication gateway-token') [[ $current != -* ]] || words='--json --help --delete --output' ;;
    'device-authentication '*) words='show set gateway-token --help' ;;
    'fleet versions') [[ $current != -* ]] || words='--json --help' ;;
    'fleet '*) words='versions --help' ;;
    'upload '*) [[ $current != -* ]] || words='--json --help --encoding' ;;
    'artifact list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'artifact show') [[ $current != -* ]] || words='--json --help' ;;
    'artifact '*) words='list show --help' ;;
    'product list') [[ $current != -* ]] || words='--json --help' ;;
    'product create') [[ $current != -* ]] || words='--json --help --key --threshold' ;;
    'product '*) words='list create --help' ;;
    'release create') [[ $current != -* ]] || words='--json --help --file --hardware --component --security-version --security-floor --severity --notes --advisory --encoding --plain-sha256 --expires-days --key --publish' ;;
    'release list') [[ $current != -* ]] || words='--json --help --limit --after --all --product --state' ;;
    'release show') [[ $current != -* ]] || words='--json --help' ;;
    'release payload') [[ $current != -* ]] || words='--json --help --output' ;;
    'release sign') [[ $current != -* ]] || words='--json --help --key' ;;
    'release add-signature') [[ $current != -* ]] || words='--json --help --public-key --keyid --sig' ;;
    'release publish') [[ $current != -* ]] || words='--json --help' ;;
    'release floor') [[ $current != -* ]] || words='--json --help --clear' ;;
    'release dead-end') [[ $current != -* ]] || words='--json --help' ;;
    'release '*) words='create list show payload sign add-signature publish floor dead-end --help' ;;
    'draft list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'draft show') [[ $current != -* ]] || words='--json --help --against --image' ;;
    'draft drop') [[ $current != -* ]] || words='--json --help' ;;
    'draft '*) words='list show drop --help' ;;
    'list list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'list create') [[ $current != -* ]] || words='--json --help --name' ;;
    'list show') [[ $current != -* ]] || words='--json --help' ;;
    'list delete') [[ $current != -* ]] || words='--json --help' ;;
    'list '*) words='list create show delete --help' ;;
    'campaign create') [[ $current != -* ]] || words='--json --help --plan --start --target --channel --name --reason --kind --preset --wave --snapshot --no-sticky --salt-from --priority --supersede --approvals --expect --tolerance --start-at --end-at --on-end --rate --max-rate --leases --bytes --transfer-rate --install --force-at --risk --consent --window --zone --expedite --pause-at --abort-at --strata --dead-man --on-abort --watch --promote --no-promote --attempts --confirm-after --stale-after --verify-timeout --offer-ttl --download-deadline --stall' ;;
    'campaign preview') [[ $current != -* ]] || words='--json --help --plan --start --target --channel --name --reason --kind --preset --wave --snapshot --no-sticky --salt-from --priority --supersede --approvals --expect --tolerance --start-at --end-at --on-end --rate --max-rate --leases --bytes --transfer-rate --install --force-at --risk --consent --window --zone --expedite --pause-at --abort-at --strata --dead-man --on-abort --watch --promote --no-promote --attempts --confirm-after --stale-after --verify-timeout --offer-ttl --download-deadline --stall' ;;
    'campaign edit') [[ $current != -* ]] || words='--json --help --plan --start --target --channel --name --reason --kind --preset --wave --snapshot --no-sticky --salt-from --priority --supersede --approvals --expect --tolerance --start-at --end-at --on-end --rate --max-rate --leases --bytes --transfer-rate --install --force-at --risk --consent --window --zone --expedite --pause-at --abort-at --strata --dead-man --on-abort --watch --promote --no-promote --attempts --confirm-after --stale-after --verify-timeout --offer-ttl --download-deadline --stall' ;;
    'campaign list') [[ $current != -* ]] || words='--json --help --limit --after --all --state --channel --release' ;;
    'campaign show') [[ $current != -* ]] || words='--json --help' ;;
    'campaign watch') [[ $current != -* ]] || words='--json --help --interval' ;;
    'campaign deployments') [[ $current != -* ]] || words='--json --help --limit --after --all --state' ;;
    'campaign events') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'campaign approvals') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'campaign submit') [[ $current != -* ]] || words='--json --help' ;;
    'campaign approve') [[ $current != -* ]] || words='--json --help --note --plan-hash' ;;
    'campaign refuse') [[ $current != -* ]] || words='--json --help --note' ;;
    'campaign start') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign pause') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign resume') [[ $current != -* ]] || words='--json --help --reason --accept-failures' ;;
    'campaign cancel') [[ $current != -* ]] || words='--json --help --reason --hard' ;;
    'campaign abort') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign hold') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign reopen') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign pass') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign skip') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign dial') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign retry') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign '*) words='create preview edit list show watch deployments events approvals submit approve refuse start pause resume cancel abort hold reopen pass skip dial retry --help' ;;
    'channel list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'channel show') [[ $current != -* ]] || words='--json --help' ;;
    'channel create') [[ $current != -* ]] || words='--json --help --rule --position --next --promotion --auto --no-auto --confirmed --share --soak' ;;
    'channel set') [[ $current != -* ]] || words='--json --help --rule --position --next --promotion --auto --no-auto --confirmed --share --soak' ;;
    'channel delete') [[ $current != -* ]] || words='--json --help' ;;
    'channel baseline') [[ $current != -* ]] || words='--json --help --reason' ;;
    'channel unset') [[ $current != -* ]] || words='--json --help' ;;
    'channel promote') [[ $current != -* ]] || words='--json --help --reason' ;;
    'channel '*) words='list show create set delete baseline unset promote --help' ;;
    'freeze list') [[ $current != -* ]] || words='--json --help --limit --after --all --past' ;;
    'freeze create') [[ $current != -* ]] || words='--json --help --from --until --reason --target' ;;
    'freeze delete') [[ $current != -* ]] || words='--json --help' ;;
    'freeze '*) words='list create delete --help' ;;
    'site list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'site set') [[ $current != -* ]] || words='--json --help --zone --leases --bytes' ;;
    'site delete') [[ $current != -* ]] || words='--json --help' ;;
    'site '*) words='list set delete --help' ;;
    'stop '*) [[ $current != -* ]] || words='--json --help --reason --lift --status' ;;
    'operator list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'operator add') [[ $current != -* ]] || words='--json --help --role --certificate --out' ;;
    'operator revoke') [[ $current != -* ]] || words='--json --help' ;;
    'operator '*) words='list add revoke --help' ;;
    'token list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'token create') [[ $current != -* ]] || words='--json --help --role --note --days --output' ;;
    'token revoke') [[ $current != -* ]] || words='--json --help' ;;
    'token '*) words='list create revoke --help' ;;
    'audit list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'audit verify') [[ $current != -* ]] || words='--json --help' ;;
    'audit '*) words='list verify --help' ;;
    'trust install') [[ $current != -* ]] || words='--json --help' ;;
    'trust show') [[ $current != -* ]] || words='--json --help' ;;
    'trust '*) words='install show --help' ;;
    'server status') [[ $current != -* ]] || words='--json --help' ;;
    'server '*) words='status --help' ;;
    'reload '*) [[ $current != -* ]] || words='--json --help' ;;
    'completion bash') [[ $current != -* ]] || words='--json --help' ;;
    'completion '*) words='bash --help' ;;
    ' ') words='init device device-authentication fleet upload artifact product release draft list campaign channel freeze site stop operator token audit trust server reload completion help --directory --token-file --json --help' ;;
    esac
    if [[ ! $words && $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o filenames -F _otactl otactl
