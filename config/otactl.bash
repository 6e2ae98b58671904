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
    'device list') [[ $current != -* ]] || words='--json --help --state --model --version --tag --filter --limit --after --all' ;;
    'device show') [[ $current != -* ]] || words='--json --help' ;;
    'device timeline') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'device explain') [[ $current != -* ]] || words='--json --help' ;;
    'device approve') [[ $current != -* ]] || words='--json --help' ;;
    'device suspend') [[ $current != -* ]] || words='--json --help' ;;
    'device activate') [[ $current != -* ]] || words='--json --help' ;;
    'device revoke') [[ $current != -* ]] || words='--json --help --reason' ;;
    'device retire') [[ $current != -* ]] || words='--json --help' ;;
    'device import') [[ $current != -* ]] || words='--json --help' ;;
    'device tag') [[ $current != -* ]] || words='--json --help --remove' ;;
    'device set') [[ $current != -* ]] || words='--json --help --model --hardware --site' ;;
    'device '*) words='issue list show timeline explain approve suspend activate revoke retire import tag set --help' ;;
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
    'release list') [[ $current != -* ]] || words='--json --help --product --state --limit --after --all' ;;
    'release show') [[ $current != -* ]] || words='--json --help' ;;
    'release payload') [[ $current != -* ]] || words='--json --help --output' ;;
    'release sign') [[ $current != -* ]] || words='--json --help --key' ;;
    'release add-signature') [[ $current != -* ]] || words='--json --help --public-key --keyid --sig' ;;
    'release publish') [[ $current != -* ]] || words='--json --help' ;;
    'release '*) words='create list show payload sign add-signature publish --help' ;;
    'draft list') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'draft show') [[ $current != -* ]] || words='--json --help --against --image' ;;
    'draft drop') [[ $current != -* ]] || words='--json --help' ;;
    'draft '*) words='list show drop --help' ;;
    'campaign create') [[ $current != -* ]] || words='--json --help --target --name --preset --wave --pause --abort --confirm-after --stale-after --verify-timeout --offer-ttl --attempts --rate --priority --reason --from --start' ;;
    'campaign preview') [[ $current != -* ]] || words='--json --help --target --name --preset --wave --pause --abort --confirm-after --stale-after --verify-timeout --offer-ttl --attempts --rate --priority --reason --from --start' ;;
    'campaign list') [[ $current != -* ]] || words='--json --help --state --limit --after --all' ;;
    'campaign show') [[ $current != -* ]] || words='--json --help' ;;
    'campaign watch') [[ $current != -* ]] || words='--json --help --interval' ;;
    'campaign deployments') [[ $current != -* ]] || words='--json --help --state --limit --after --all' ;;
    'campaign events') [[ $current != -* ]] || words='--json --help --limit --after --all' ;;
    'campaign start') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign pause') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign resume') [[ $current != -* ]] || words='--json --help --reason --ack --accept-failures' ;;
    'campaign abort') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign cancel') [[ $current != -* ]] || words='--json --help --reason' ;;
    'campaign '*) words='create preview list show watch deployments events start pause resume abort cancel --help' ;;
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
    ' ') words='init device fleet upload artifact product release draft campaign operator token audit trust server reload completion help --directory --token-file --json --help' ;;
    esac
    if [[ ! $words && $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o filenames -F _otactl otactl
